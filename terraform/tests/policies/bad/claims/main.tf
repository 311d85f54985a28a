resource "kubernetes_namespace_v1" "bad_unlabelled" {
  metadata {
    name = "unlabelled"
  }
}

resource "kubernetes_secret_v1" "bad_lawless" {
  metadata {
    name   = "lawless"
    labels = { "meridian/personal-data" = "none" }
  }
}

resource "kubernetes_persistent_volume_claim_v1" "good" {
  metadata {
    name   = "good"
    labels = { "meridian/personal-data" = "none", "meridian/jurisdiction" = "eu" }
  }

  spec {
    access_modes = ["ReadWriteOnce"]

    resources {
      requests = { storage = "1Gi" }
    }
  }
}
