# A region under another law, whose database others run.
region        = "ap-southeast"
database_mode = "cloud"

addons = {
  aws-ebs-csi-driver = "v1.60.0-eksbuild.1"
  coredns            = "v1.13.2-eksbuild.1"
  kube-proxy         = "v1.36.0-eksbuild.2"
  vpc-cni            = "v1.21.1-eksbuild.1"
}
access = {
  platform = { principal_arn = "arn:aws:iam::111122223333:role/platform", may = "admin" }
}

backup_writers = ["arn:aws:iam::444455556666:role/crl-dr-store-user-1"]
