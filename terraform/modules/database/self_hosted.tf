# The nodes of one region, on its own Kubernetes cluster.

locals {
  release = "cockroachdb"
  port    = 26257

  # A list that grew with every region would restart every node with every region. One place to ask
  # is enough to join, and nodes remember whom they have met: the primary, or whoever stands in.
  primary  = try([for name, it in var.regions : name if it.primary][0], null)
  stand_in = try(sort(keys(local.peers))[0], null)
  asked    = compact([local.here, local.here == local.primary ? local.stand_in : local.primary])
  join = flatten([
    for name in local.asked : [
      for place in range(3) : join(".", [
        "${local.release}-${place}", local.release, "database-${name}",
        "svc.cluster.local:${local.port}",
      ])
    ]
  ])

  values = {
    image  = { tag = "v${var.cockroach_version}" }
    labels = local.labels

    conf = {
      cluster-name = "meridian"
      join         = local.join
      # A shell starts the node and fills in the zone that Kubernetes tells the pod.
      locality   = "region=${try(var.region.locality, "")},zone=$${ZONE}"
      max-offset = "250ms"
      # Values of rows never reach a log.
      log = {
        enabled = true
        config  = { sinks = { stderr = { channels = "all", filter = "INFO", redact = true } } }
      }
    }

    statefulset = {
      replicas                      = try(var.region.capacity.database_nodes, 0)
      budget                        = { maxUnavailable = 1 }
      terminationGracePeriodSeconds = 300
      env = [{
        name      = "ZONE"
        valueFrom = { fieldRef = { fieldPath = "metadata.labels['topology.kubernetes.io/zone']" } }
      }]
      nodeSelector = { "meridian/nodes" = "database" }
      tolerations = [{
        key = "meridian/nodes", operator = "Equal", value = "database", effect = "NoSchedule"
      }]
      topologySpreadConstraints = {
        maxSkew           = 1
        topologyKey       = "topology.kubernetes.io/zone"
        whenUnsatisfiable = "DoNotSchedule"
      }
      podAntiAffinity = { type = "hard", topologyKey = "kubernetes.io/hostname" }
      # Equal, so that nothing else on the machine is in the way.
      resources = {
        requests = { cpu = tostring(var.node.cpus), memory = "${var.node.memory_gib}Gi" }
        limits   = { cpu = tostring(var.node.cpus), memory = "${var.node.memory_gib}Gi" }
      }
      serviceAccount = {
        create      = true
        name        = local.release
        annotations = { "eks.amazonaws.com/role-arn" = try(aws_iam_role.backup[0].arn, "") }
      }
    }

    storage = {
      persistentVolume = {
        size         = "${var.node.storage_gib}Gi"
        storageClass = try(kubernetes_storage_class_v1.this[0].metadata[0].name, "")
      }
    }

    tls = {
      enabled = true
      certs = {
        selfSigner = {
          enabled     = true
          caProvided  = true
          caSecret    = try(kubernetes_secret_v1.certificate_authority[0].metadata[0].name, "")
          rotateCerts = true
        }
      }
    }

    networkPolicy = {
      enabled = true
      ingress = {
        grpc = concat(
          [
            for name in var.clients :
            { namespaceSelector = { matchLabels = { "kubernetes.io/metadata.name" = name } } }
          ],
          [for it in local.peers : { ipBlock = { cidr = it.network.cidr } }],
        )
        http = [{ namespaceSelector = { matchLabels = { "meridian/scrapes" = "true" } } }]
      }
    }
  }
}

resource "kubernetes_namespace_v1" "this" {
  count = local.self_hosted ? 1 : 0

  metadata {
    name   = local.namespace
    labels = merge(local.labels, { "pod-security.kubernetes.io/enforce" = "baseline" })
  }
}

# Written, never read back: the key is in no state and in no plan.
resource "kubernetes_secret_v1" "certificate_authority" {
  count = local.self_hosted ? 1 : 0

  metadata {
    name      = "cockroachdb-ca"
    namespace = kubernetes_namespace_v1.this[0].metadata[0].name
    labels    = merge(local.labels, { "meridian/personal-data" = "none" })
  }

  data_wo = {
    "ca.crt" = try(var.certificate_authority.certificate, "")
    "ca.key" = try(var.certificate_authority.key, "")
  }
  data_wo_revision = var.certificate_authority_version
}

resource "kubernetes_storage_class_v1" "this" {
  count = local.self_hosted ? 1 : 0

  metadata {
    name   = "meridian-database"
    labels = local.labels
  }

  storage_provisioner    = "ebs.csi.aws.com"
  volume_binding_mode    = "WaitForFirstConsumer"
  allow_volume_expansion = true
  # Rows outlive whoever uninstalls the release.
  reclaim_policy = "Retain"

  parameters = merge(
    { type = "gp3", encrypted = "true", kmsKeyId = var.cluster.key_arn },
    {
      for place, name in sort(keys(local.tags)) :
      "tagSpecification_${place + 1}" => "${name}=${local.tags[name]}"
    },
  )
}

resource "aws_vpc_security_group_ingress_rule" "peer" {
  for_each = local.self_hosted ? local.peers : {}

  region            = var.region.cloud_region
  security_group_id = var.cluster.security_group_id
  description       = "Database nodes of ${each.key}"
  cidr_ipv4         = each.value.network.cidr
  ip_protocol       = "tcp"
  from_port         = local.port
  to_port           = local.port

  tags = merge(local.tags, { "meridian:personal-data" = "transit" })
}

resource "helm_release" "cockroachdb" {
  count = local.self_hosted ? 1 : 0

  name       = local.release
  namespace  = kubernetes_namespace_v1.this[0].metadata[0].name
  repository = var.chart.repository
  chart      = "cockroachdb"
  version    = var.chart.version
  values     = [yamlencode(local.values)]
  # A rolling restart drains one node after the other.
  timeout     = 300 * var.region.capacity.database_nodes + 900
  max_history = 5

  depends_on = [aws_vpc_security_group_ingress_rule.peer]
}
