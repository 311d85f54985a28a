# A region with everything in it: its own database, the backbone, and somebody who is woken.
region = "eu-central"

addons = {
  aws-ebs-csi-driver = "v1.60.0-eksbuild.1"
  coredns            = "v1.13.2-eksbuild.1"
  kube-proxy         = "v1.36.0-eksbuild.2"
  vpc-cni            = "v1.21.1-eksbuild.1"
}
access = {
  platform = { principal_arn = "arn:aws:iam::111122223333:role/platform", may = "admin" }
}
subscribers = {
  duty = { protocol = "email", endpoint = "duty@meridian.example" }
}

core_network_arn = "arn:aws:networkmanager::111122223333:core-network/core-network-0123"
health_check_id  = "11111111-2222-3333-4444-555555555555"
