# A database in three regions, and what runs beside it in a cluster.

terraform {
  required_version = ">= 1.11"
  required_providers {
    cockroach = {
      source  = "cockroachdb/cockroach"
      version = "~> 1.17"
    }
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.0"
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = ">= 2.38"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
    tls = {
      source  = "hashicorp/tls"
      version = "~> 4.0"
    }
  }
}

variable "node_counts" {
  type    = map(number)
  default = { ap-southeast-1 = 3, eu-central-1 = 3, us-east-1 = 3 }
}

provider "kubernetes" {
  host = "https://127.0.0.1:1"
}

provider "helm" {
  kubernetes = {
    host = "https://127.0.0.1:1"
    exec = {
      api_version = "client.authentication.k8s.io/v1beta1"
      command     = "aws"
      args        = ["eks", "get-token"]
    }
  }
}

resource "random_password" "user" {
  length = 32
}

resource "tls_private_key" "signing" {
  algorithm = "ED25519"
}

resource "cockroach_cluster" "main" {
  name              = "example"
  cloud_provider    = "AWS"
  plan              = "ADVANCED"
  delete_protection = false
  dedicated = {
    storage_gib                = 150
    num_virtual_cpus           = 8
    private_network_visibility = true
  }
  regions = [
    for name, nodes in var.node_counts : {
      name       = name
      node_count = nodes
    }
  ]
}

resource "cockroach_database" "main" {
  cluster_id = cockroach_cluster.main.id
  name       = "example"
}

resource "cockroach_sql_user" "main" {
  cluster_id = cockroach_cluster.main.id
  name       = "example"
  password   = random_password.user.result
}

resource "kubernetes_namespace_v1" "main" {
  metadata {
    name   = "example"
    labels = { jurisdiction = "eu" }
  }
}

resource "kubernetes_secret_v1" "signing" {
  metadata {
    name      = "signing"
    namespace = kubernetes_namespace_v1.main.metadata[0].name
  }
  data = { key = tls_private_key.signing.private_key_pem }
}

resource "kubernetes_manifest" "monitor" {
  manifest = {
    apiVersion = "monitoring.coreos.com/v1"
    kind       = "ServiceMonitor"
    metadata   = { name = "example", namespace = "example" }
    spec       = { endpoints = [{ port = "metrics" }] }
  }
}

resource "helm_release" "main" {
  name       = "example"
  chart      = "example"
  namespace  = kubernetes_namespace_v1.main.metadata[0].name
  repository = "https://charts.example.com"
  set = [
    { name = "replicas", value = "3" },
    { name = "host", value = cockroach_cluster.main.regions[0].sql_dns },
  ]
}

output "sql_dns" {
  value = { for region in cockroach_cluster.main.regions : region.name => region.sql_dns }
}
