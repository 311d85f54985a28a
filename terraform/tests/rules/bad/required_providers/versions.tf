terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = "~> 6.66" # bad
    tls = {         # bad
      version = "~> 4.4"
    }
    helm = { # bad
      source = "hashicorp/helm"
    }
  }
}
