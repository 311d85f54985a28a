resource "aws_launch_template" "bad_untagged" {
  name = "untagged"
}

resource "aws_launch_template" "bad_machine_only" {
  name = "machine-only"

  tag_specifications {
    resource_type = "instance"
    tags          = { "meridian:jurisdiction" = "eu", "meridian:personal-data" = "stored" }
  }
}

resource "aws_launch_template" "bad_lawless" {
  name = "lawless"

  tag_specifications {
    resource_type = "instance"
    tags          = { "meridian:jurisdiction" = "eu", "meridian:personal-data" = "stored" }
  }
  tag_specifications {
    resource_type = "volume"
    tags          = { "meridian:personal-data" = "stored" }
  }
}

resource "aws_launch_template" "good" {
  name = "good"

  tag_specifications {
    resource_type = "volume"
    tags          = { "meridian:jurisdiction" = "eu", "meridian:personal-data" = "stored" }
  }
}
