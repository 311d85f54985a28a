resource "aws_iam_role" "bad" {
  count = length(var.names) # bad

  name               = "bad-${count.index}"
  assume_role_policy = "{}"
}

module "bad" {
  source = "../beside"
  count  = var.copies > 1 ? 2 * length(var.names) : 0 # bad
}
