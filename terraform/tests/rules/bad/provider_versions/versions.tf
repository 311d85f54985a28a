terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = { # bad
      source  = "hashicorp/aws"
      version = ">= 6.66"
    }
    tls = { # bad
      source = "hashicorp/tls"
      # Lets version 5 in.
      version = "~> 4"
    }
  }
}
