provider "aws" { # bad
  region = "eu-central-1"
}
