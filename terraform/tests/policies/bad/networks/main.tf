resource "aws_vpc" "bad_untagged" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_vpc" "bad_blank" {
  cidr_block = "10.1.0.0/16"
  tags       = { "meridian:jurisdiction" = "" }
}

resource "aws_vpc" "good" {
  cidr_block = "10.2.0.0/16"
  tags       = { "meridian:jurisdiction" = "eu" }
}
