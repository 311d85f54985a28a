locals {
  labels = { "meridian/jurisdiction" = "eu", "meridian/personal-data" = "stored" }
  parameters = {
    tagSpecification_1 = "meridian:jurisdiction=eu"
    tagSpecification_2 = "meridian:personal-data=stored"
  }
}

resource "kubernetes_storage_class_v1" "bad_unlabelled" {
  storage_provisioner = "ebs.csi.aws.com"
  parameters          = local.parameters

  metadata {
    name = "unlabelled"
  }
}

resource "kubernetes_storage_class_v1" "bad_lawless" {
  storage_provisioner = "ebs.csi.aws.com"
  parameters          = { tagSpecification_1 = local.parameters.tagSpecification_2 }

  metadata {
    name   = "lawless"
    labels = local.labels
  }
}

resource "kubernetes_storage_class_v1" "bad_speechless" {
  storage_provisioner = "ebs.csi.aws.com"
  parameters          = { tagSpecification_1 = local.parameters.tagSpecification_1 }

  metadata {
    name   = "speechless"
    labels = local.labels
  }
}

resource "kubernetes_storage_class_v1" "good" {
  storage_provisioner = "ebs.csi.aws.com"
  parameters          = local.parameters

  metadata {
    name   = "good"
    labels = local.labels
  }
}
