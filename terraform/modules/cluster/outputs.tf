output "name" {
  description = "The cluster's name."
  value       = aws_eks_cluster.this.name
}

output "endpoint" {
  description = "Its API, reached from inside the network only."
  value       = aws_eks_cluster.this.endpoint
}

output "certificate_authority" {
  description = "Who signs for its API, PEM."
  value       = base64decode(aws_eks_cluster.this.certificate_authority[0].data)
}

output "oidc_provider_arn" {
  description = "Who vouches for service accounts."
  value       = aws_iam_openid_connect_provider.this.arn
}

output "oidc_issuer" {
  description = "The same as a host and a path, as conditions of roles name it."
  value       = local.issuer
}

output "security_group_id" {
  description = "The security group that all nodes are in."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "key_arn" {
  description = "The key of secrets and volumes."
  value       = aws_kms_key.this.arn
}
