variable "region" {
  description = "The region as the registry knows it."
  type = object({
    name         = string
    cloud_region = string
    jurisdiction = string
    network      = object({ zones = list(string) })
    capacity     = object({ nodes_min = number, nodes_max = number, database_nodes = number })
  })

  validation {
    condition     = var.region.capacity.nodes_min <= var.region.capacity.nodes_max
    error_message = "capacity.nodes_min is more than capacity.nodes_max."
  }

  validation {
    condition     = var.region.capacity.database_nodes % length(var.region.network.zones) == 0
    error_message = "capacity.database_nodes do not spread evenly over network.zones."
  }
}

variable "subnet_ids" {
  description = "The network's subnets by tier and zone."
  type = object({
    private  = map(string)
    database = map(string)
  })

  validation {
    condition = alltrue([
      for tier in [var.subnet_ids.private, var.subnet_ids.database] :
      sort(keys(tier)) == sort(var.region.network.zones)
    ])
    error_message = "subnet_ids names other zones than the region."
  }
}

variable "log_key_arn" {
  description = "The key of the region's logs; observability makes it."
  type        = string
}

variable "log_days" {
  description = "How long the control plane's logs are kept: who did what to the cluster."
  type        = number
  default     = 90

  validation {
    condition     = contains([30, 60, 90, 180, 365], var.log_days)
    error_message = "log_days is 30, 60, 90, 180 or 365."
  }
}

variable "kubernetes_version" {
  description = "The control plane's version. From 1.35 on, a pod is told its zone."
  type        = string
  default     = "1.36"

  validation {
    condition     = can(regex("^1\\.(3[5-9]|[4-9][0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version is 1.35 or newer: older ones tell no pod its zone."
  }
}

variable "addons" {
  description = "Versions of the add-ons, by name; they go with kubernetes_version."
  type        = map(string)

  validation {
    condition = alltrue([
      for name in ["aws-ebs-csi-driver", "coredns", "kube-proxy", "vpc-cni"] :
      contains(keys(var.addons), name)
    ])
    error_message = "addons pins aws-ebs-csi-driver, coredns, kube-proxy and vpc-cni at least."
  }

  validation {
    condition = alltrue([
      for version in var.addons :
      can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+-eksbuild\\.[0-9]+$", version))
    ])
    error_message = "An add-on's version looks like v1.20.4-eksbuild.2."
  }
}

variable "access" {
  description = "Who may do what in the cluster, by a name of your own. admin, edit or view."
  type        = map(object({ principal_arn = string, may = string }))

  validation {
    condition     = alltrue([for it in var.access : contains(["admin", "edit", "view"], it.may)])
    error_message = "may is admin, edit or view."
  }

  validation {
    condition     = length([for it in var.access : it if it.may == "admin"]) > 0
    error_message = "Nobody is admin: whoever makes a cluster gets no rights by making it."
  }

  validation {
    condition = (
      length(distinct([for it in var.access : it.principal_arn])) == length(var.access)
    )
    error_message = "A principal is named twice; EKS knows each once."
  }
}

variable "instance_types" {
  description = "Kinds of machines, by what runs on them."
  type        = object({ api = list(string), database = list(string) })
  default     = { api = ["m8g.large"], database = ["m8g.2xlarge"] }

  validation {
    condition     = length(var.instance_types.api) > 0 && length(var.instance_types.database) == 1
    error_message = "api has at least one kind of machine, database exactly one."
  }
}

variable "ami_type" {
  description = "What the machines start from; it has to fit the instance types' processor."
  type        = string
  default     = "BOTTLEROCKET_ARM_64"

  validation {
    condition     = can(regex("^(BOTTLEROCKET|AL2023)_(x86_64|ARM_64)(_STANDARD)?$", var.ami_type))
    error_message = "ami_type is a BOTTLEROCKET or AL2023 image for x86_64 or ARM_64."
  }
}

variable "node_disk_gib" {
  description = "A machine's disk for images, logs and scratch files; the database has its own."
  type        = number
  default     = 50

  validation {
    condition     = var.node_disk_gib >= 20 && var.node_disk_gib <= 500
    error_message = "node_disk_gib is 20 to 500."
  }
}

variable "hosts_database" {
  description = "Whether database nodes run here, on machines of their own."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Set to false, and apply, before the cluster of a removed region is destroyed."
  type        = bool
  default     = true
}
