# Where the rows of a region are backed up: in the region, under a key of the region.

locals {
  has_backup = var.region != null ? 1 : 0
  buckets = {
    for name in keys(var.regions) : name => "meridian-${local.account_id}-${name}-backup"
  }
  # In a backup with localities every node writes where its rows belong, and lists everywhere.
  # Reading stays under the law.
  all_buckets = [for name in keys(var.regions) : "arn:aws:s3:::${local.buckets[name]}"]
  readable_buckets = [
    for name, it in var.regions : "arn:aws:s3:::${local.buckets[name]}"
    if it.jurisdiction == try(var.region.jurisdiction, "")
  ]
  # Noncurrent versions guard against a hand that slips.
  noncurrent_days = 7
}

resource "aws_kms_key" "backup" {
  count = local.has_backup

  region                  = var.region.cloud_region
  description             = "Backups of ${local.here}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  tags = local.tags
}

resource "aws_kms_alias" "backup" {
  count = local.has_backup

  region        = var.region.cloud_region
  name          = "alias/meridian-${local.here}-backup"
  target_key_id = aws_kms_key.backup[0].key_id
}

resource "aws_s3_bucket" "backup" {
  count = local.has_backup

  region = var.region.cloud_region
  bucket = local.buckets[local.here]

  tags = local.tags
}

resource "aws_s3_bucket_public_access_block" "backup" {
  count = local.has_backup

  region                  = var.region.cloud_region
  bucket                  = aws_s3_bucket.backup[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "backup" {
  count = local.has_backup

  region = var.region.cloud_region
  bucket = aws_s3_bucket.backup[0].id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.backup[0].arn
    }
  }
}

resource "aws_s3_bucket_versioning" "backup" {
  count = local.has_backup

  region = var.region.cloud_region
  bucket = aws_s3_bucket.backup[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

# Erasure in backups is this: they end.
resource "aws_s3_bucket_lifecycle_configuration" "backup" {
  count = local.has_backup

  region = var.region.cloud_region
  bucket = aws_s3_bucket_versioning.backup[0].bucket

  rule {
    id     = "end"
    status = "Enabled"

    filter {}

    expiration {
      days = var.backup_days
    }

    noncurrent_version_expiration {
      noncurrent_days = local.noncurrent_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

resource "aws_s3_bucket_policy" "backup" {
  count = local.has_backup

  region = var.region.cloud_region
  bucket = aws_s3_bucket.backup[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "NothingInTheClear"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.backup[0].arn, "${aws_s3_bucket.backup[0].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.backup]
}

# Who writes: the nodes of this region.
resource "aws_iam_role" "backup" {
  count = local.has_backup

  name = "meridian-${local.here}-backup"
  assume_role_policy = local.self_hosted ? jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = var.cluster.oidc_provider_arn }
      Condition = {
        StringEquals = {
          "${var.cluster.oidc_issuer}:aud" = "sts.amazonaws.com"
          "${var.cluster.oidc_issuer}:sub" = join(":", [
            "system:serviceaccount", local.namespace, local.release,
          ])
        }
      }
    }]
    }) : jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = var.backup_writers }
    }]
  })

  tags = merge(local.tags, { "meridian:personal-data" = "none" })
}

resource "aws_iam_role_policy" "backup" {
  count = local.has_backup

  name = "write"
  role = aws_iam_role.backup[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Write"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:PutObject"]
        Resource = flatten([for it in local.all_buckets : [it, "${it}/*"]])
      },
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = [for it in local.readable_buckets : "${it}/*"]
      },
      {
        Sid      = "Keys"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = "arn:aws:kms:*:${local.account_id}:key/*"
        Condition = {
          "ForAnyValue:StringLike" = { "kms:ResourceAliases" = "alias/meridian-*-backup" }
        }
      },
    ]
  })
}
