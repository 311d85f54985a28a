provider "aws" { # bad
  alias  = "unused"
  region = "eu-west-1"
}

provider "aws" {
  alias  = "used"
  region = "eu-west-1"
}

data "aws_iam_role" "unused" { # bad
  provider = aws.used
  name     = "nobody"
}

locals {
  unused = 1 # bad
}
