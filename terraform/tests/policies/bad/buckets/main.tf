resource "aws_s3_bucket" "bad_bare" {
  bucket = "bare"
}

resource "aws_s3_bucket" "bad_half_open" {
  bucket = "half-open"
}

resource "aws_s3_bucket_public_access_block" "half_open" {
  bucket                  = aws_s3_bucket.bad_half_open.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = false
}

resource "aws_s3_bucket" "good" {
  bucket = "good"
}

resource "aws_s3_bucket_public_access_block" "good" {
  bucket                  = aws_s3_bucket.good.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
