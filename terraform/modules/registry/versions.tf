# Logic only: no provider, so that it runs wherever Terraform does.
terraform {
  required_version = ">= 1.11"
}
