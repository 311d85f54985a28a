resource "aws_s3_bucket" "bad" {
  bucket = "bad"
}

resource "aws_s3_bucket_replication_configuration" "elsewhere" {
  bucket = aws_s3_bucket.bad.id
  role   = "arn:aws:iam::111122223333:role/copy"

  rule {
    id     = "elsewhere"
    status = "Enabled"

    destination {
      bucket = "arn:aws:s3:::elsewhere"
    }
  }
}

resource "aws_s3_bucket" "good" {
  bucket = "good"
}
