# The places of the world, to be found by half a word. Every copy holds the whole index, and nothing
# about who asks.

locals {
  name = "meilisearch"
  port = 7700

  # Kubernetes allows no colon before the slash.
  labels = {
    "meridian/region"        = var.region.name
    "meridian/jurisdiction"  = var.region.jurisdiction
    "meridian/personal-data" = "none"
  }
  selector = { "app.kubernetes.io/name" = local.name }
}

resource "kubernetes_namespace_v1" "this" {
  metadata {
    name   = "search"
    labels = merge(local.labels, { "pod-security.kubernetes.io/enforce" = "restricted" })
  }
}

# Written, never read back: the key is in no state and in no plan.
resource "kubernetes_secret_v1" "master_key" {
  metadata {
    name      = "${local.name}-master-key"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  data_wo          = { key = var.master_key }
  data_wo_revision = var.master_key_version
}

resource "kubernetes_storage_class_v1" "this" {
  metadata {
    name   = "meridian-search"
    labels = local.labels
  }

  storage_provisioner = "ebs.csi.aws.com"
  volume_binding_mode = "WaitForFirstConsumer"
  reclaim_policy      = "Delete"

  parameters = {
    type               = "gp3"
    encrypted          = "true"
    tagSpecification_1 = "meridian:region=${var.region.name}"
    tagSpecification_2 = "meridian:jurisdiction=${var.region.jurisdiction}"
    tagSpecification_3 = "meridian:personal-data=none"
  }
}

# A name for each copy: whoever writes the index writes to each.
resource "kubernetes_service_v1" "copies" {
  metadata {
    name      = "${local.name}-copies"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    cluster_ip                  = "None"
    publish_not_ready_addresses = true
    selector                    = local.selector

    port {
      name = "http"
      port = local.port
    }
  }
}

# A name for whichever is there: whoever reads asks any.
resource "kubernetes_service_v1" "any" {
  metadata {
    name      = local.name
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    selector = local.selector

    port {
      name = "http"
      port = local.port
    }
  }
}

resource "kubernetes_pod_disruption_budget_v1" "this" {
  metadata {
    name      = local.name
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    max_unavailable = "1"

    selector {
      match_labels = local.selector
    }
  }
}

resource "kubernetes_network_policy_v1" "this" {
  metadata {
    name      = local.name
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = local.labels
  }

  spec {
    # It answers and asks nobody.
    policy_types = ["Ingress", "Egress"]

    pod_selector {
      match_labels = local.selector
    }

    ingress {
      ports {
        port     = tostring(local.port)
        protocol = "TCP"
      }

      dynamic "from" {
        for_each = toset(var.clients)
        content {
          namespace_selector {
            match_labels = { "kubernetes.io/metadata.name" = from.key }
          }
        }
      }
    }
  }
}
