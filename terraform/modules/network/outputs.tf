output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "Subnets by tier (private, database, public) and zone."
  value = {
    for tier in keys(local.tiers) : tier => {
      for zone in keys(local.places) : zone => aws_subnet.this["${tier}/${zone}"].id
    }
  }
}

output "ways_out" {
  description = "The addresses that others see of this region, by zone: for their lists of friends."
  value       = { for zone in keys(local.places) : zone => aws_eip.way_out[zone].public_ip }
}
