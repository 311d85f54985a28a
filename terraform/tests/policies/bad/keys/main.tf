resource "aws_kms_key" "bad" {
  multi_region = true
}

resource "aws_kms_key" "good" {
  description = "Of one region"
}
