provider "aws" {
  version = "~> 6.66" # bad
  region  = "eu-central-1"
}

resource "random_id" "unnamed" { # bad
  byte_length = 8
}

resource "terraform_data" "function" {
  input = provider::kubernetes::manifest_decode("{}") # bad
}

resource "aws_iam_role" "elsewhere" { # bad
  provider           = other
  name               = "elsewhere"
  assume_role_policy = "{}"
}

module "given" { # bad
  source    = "../beside"
  providers = { aws = another }
}
