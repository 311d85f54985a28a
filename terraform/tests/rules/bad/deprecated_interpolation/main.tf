resource "terraform_data" "bad" {
  input = {
    name = "${var.cloud_region}"        # bad
    list = ["${length(var.names) + 1}"] # bad
  }
}
