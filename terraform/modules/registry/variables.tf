variable "regions_dir" {
  description = "The directory of region files and its policy/, laid out like regions/."
  type        = string

  validation {
    condition     = length(fileset(var.regions_dir, "*.json")) > 0
    error_message = "regions_dir holds no region file; give a directory laid out like regions/."
  }
}

variable "before_dir" {
  description = "The same directory at the revision that is live; null leaves steps unchecked."
  type        = string
  default     = null

  validation {
    condition     = var.before_dir == null || length(fileset(coalesce(var.before_dir, "-"), "*.json")) > 0
    error_message = "before_dir holds no region file; give a directory laid out like regions/."
  }
}

variable "countries_file" {
  description = "CSV of countries and their centres (iso2,continent,lat,lon)."
  type        = string

  validation {
    condition     = try(length(csvdecode(file(var.countries_file))) > 200, false)
    error_message = "countries_file lists fewer than 200 countries; give geo-routing/data/countries.csv."
  }
}

variable "zone" {
  description = "The domain that the hosts are in, without a dot at its end."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]{1,63}\\.)+[a-z]{2,63}$", var.zone))
    error_message = "zone is no domain name; write one like meridian.example."
  }
}

variable "mode" {
  description = "exact: the order of our own name server for every country. native: Route 53's geoproximity."
  type        = string
  default     = "exact"

  validation {
    condition     = contains(["exact", "native"], var.mode)
    error_message = "mode is exact or native."
  }
}

variable "ttl" {
  description = "Seconds that an answer may be kept: geo, those that follow health; static, the others."
  type        = object({ geo = number, static = number })
  default     = { geo = 30, static = 3600 }

  validation {
    condition     = var.ttl.geo >= 20 && var.ttl.geo <= 60 && var.ttl.static >= 300
    error_message = "ttl.geo is 20 to 60 seconds, so that a failover is felt; ttl.static at least 300."
  }
}
