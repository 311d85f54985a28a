resource "terraform_data" "bad" {
  input = var.loose
}
