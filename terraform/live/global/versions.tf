terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.66"
    }
    cockroach = {
      source  = "cockroachdb/cockroach"
      version = "~> 1.22"
    }
  }

  # The bucket and its region come from -backend-config.
  backend "s3" {
    key          = "global.tfstate"
    use_lockfile = true
    encrypt      = true
  }
}
