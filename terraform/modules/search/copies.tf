# The copies themselves.

resource "kubernetes_stateful_set_v1" "this" {
  metadata {
    name      = local.name
    namespace = kubernetes_namespace_v1.this.metadata[0].name
    labels    = merge(local.labels, local.selector)
  }

  spec {
    service_name          = kubernetes_service_v1.copies.metadata[0].name
    replicas              = tostring(var.copies)
    pod_management_policy = "Parallel"

    selector {
      match_labels = local.selector
    }

    template {
      metadata {
        labels = merge(local.labels, local.selector)
      }

      spec {
        automount_service_account_token  = false
        enable_service_links             = false
        termination_grace_period_seconds = 30

        security_context {
          run_as_non_root = true
          run_as_user     = "1000"
          run_as_group    = "1000"
          fs_group        = "1000"

          seccomp_profile {
            type = "RuntimeDefault"
          }
        }

        topology_spread_constraint {
          max_skew           = 1
          topology_key       = "topology.kubernetes.io/zone"
          when_unsatisfiable = "DoNotSchedule"

          label_selector {
            match_labels = local.selector
          }
        }

        container {
          name  = local.name
          image = var.image

          env {
            name  = "MEILI_ENV"
            value = "production"
          }
          env {
            name  = "MEILI_NO_ANALYTICS"
            value = "true"
          }
          env {
            name  = "MEILI_DB_PATH"
            value = "/data/index"
          }
          env {
            name = "MEILI_MASTER_KEY"

            value_from {
              secret_key_ref {
                name = kubernetes_secret_v1.master_key.metadata[0].name
                key  = "key"
              }
            }
          }

          port {
            name           = "http"
            container_port = local.port
          }

          resources {
            requests = { cpu = "250m", memory = "512Mi" }
            limits   = { memory = "2Gi" }
          }

          security_context {
            allow_privilege_escalation = false
            read_only_root_filesystem  = true

            capabilities {
              drop = ["ALL"]
            }
          }

          readiness_probe {
            period_seconds = 5

            http_get {
              path = "/health"
              port = "http"
            }
          }

          liveness_probe {
            initial_delay_seconds = 30
            failure_threshold     = 6

            http_get {
              path = "/health"
              port = "http"
            }
          }

          volume_mount {
            name       = "data"
            mount_path = "/data"
          }
          volume_mount {
            name       = "scratch"
            mount_path = "/tmp"
          }
        }

        volume {
          name = "scratch"

          empty_dir {
            size_limit = "1Gi"
          }
        }
      }
    }

    volume_claim_template {
      metadata {
        name   = "data"
        labels = local.labels
      }

      spec {
        access_modes       = ["ReadWriteOnce"]
        storage_class_name = kubernetes_storage_class_v1.this.metadata[0].name

        resources {
          requests = { storage = "${var.storage_gib}Gi" }
        }
      }
    }
  }
}
