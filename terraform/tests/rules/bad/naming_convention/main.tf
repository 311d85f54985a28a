locals {
  camelCase = 1 # bad
}

resource "terraform_data" "with-dash" { # bad
  input = local.camelCase
}

module "Capital" { # bad
  source = "../beside"
}
