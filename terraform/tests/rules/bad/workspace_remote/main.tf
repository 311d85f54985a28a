resource "terraform_data" "bad" {
  input = "meridian-${terraform.workspace}" # bad
}
