resource "terraform_data" "bad" {
  input = "${var.silent} ${var.blank}"
}
