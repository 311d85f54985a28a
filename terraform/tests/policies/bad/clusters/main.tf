terraform {
  required_providers {
    cockroach = {
      source = "cockroachdb/cockroach"
    }
  }
}

resource "cockroach_cluster" "bad_unlabelled" {
  name              = "unlabelled"
  cloud_provider    = "AWS"
  delete_protection = true
  regions           = [{ name = "eu-central-1" }]
}

resource "cockroach_cluster" "bad_unguarded" {
  name           = "unguarded"
  cloud_provider = "AWS"
  labels         = { personal-data = "stored" }
  regions        = [{ name = "eu-central-1" }]
}

resource "cockroach_cluster" "good" {
  name              = "good"
  cloud_provider    = "AWS"
  delete_protection = true
  labels            = { personal-data = "stored" }
  regions           = [{ name = "eu-central-1" }]
}
