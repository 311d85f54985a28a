module "floating" {
  source = "git::https://git.example/modules.git//dns" # bad
}

module "branch" {
  source = "github.com/example/modules?ref=main" # bad
}

module "registry" {
  source  = "example/dns/aws" # bad
  version = ">= 1.0"
}

module "archive" {
  source = "https://files.example/modules.zip" # bad
}
