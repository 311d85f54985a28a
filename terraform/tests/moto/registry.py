"""What terraform/modules/registry makes of a revision of regions/, as plans of a zone."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from harness import REPOSITORY, terraform
from zone import HOST, LAYERS, LEAF, PLACE, STEP, HealthCheck, Plan, RecordSet

ZONE = "meridian.example"
MODES = ("exact", "native")
# What terraform/modules/dns says when nobody says otherwise.
REQUEST_INTERVAL, FAILURE_THRESHOLD = 10, 3

# A root that only calls the registry: no provider.
ROOT = """
variable "before_dir" {
  type    = string
  default = null
}
module "registry" {
  source   = "REPOSITORY/terraform/modules/registry"
  for_each = toset(["exact", "native"])

  regions_dir    = "${path.module}/regions"
  before_dir     = var.before_dir
  countries_file = "REPOSITORY/geo-routing/data/countries.csv"
  zone           = "meridian.example"
  mode           = each.key
}
output "plans" {
  value = {
    for mode, it in module.registry :
    mode => { records = it.records, health_checks = it.health_checks }
  }
}
"""


class Revision(NamedTuple):
    """The shipped region files with changes of us-east's, and the revision before it."""

    state: str = "active"
    weight: int = 100
    before: Revision | None = None


SHIPPED = Revision()
HALF = Revision(weight=50, before=SHIPPED)
DRAINING = Revision("draining", before=SHIPPED)
DRAINED = Revision("drained", before=DRAINING)


def write(revision: Revision, where: Path) -> None:
    shutil.copytree(
        REPOSITORY / "regions",
        where,
        ignore=lambda _, names: {name for name in names if name in ("src", "tests", "Cargo.toml")},
    )
    path = where / "us-east.json"
    file = json.loads(path.read_text())
    file["state"] = revision.state
    file["dns"]["weight"] = revision.weight
    path.write_text(json.dumps(file))


@functools.cache
def computed(revision: Revision) -> dict[str, Any]:
    """The registry's answer in both modes, which a real Terraform gives."""
    with tempfile.TemporaryDirectory(prefix="meridian-registry-") as folder:
        root = Path(folder)
        (root / "main.tf").write_text(ROOT.replace("REPOSITORY", str(REPOSITORY)))
        write(revision, root / "regions")
        words = []
        if revision.before:
            write(revision.before, root / "before")
            words = [f"-var=before_dir={root}/before"]
        terraform(root, "init", "-input=false")
        terraform(root, "apply", "-auto-approve", "-input=false", *words)
        return json.loads(terraform(root, "output", "-json", "plans"))


def plan(revision: Revision, mode: str) -> Plan:
    answer = computed(revision)[mode]
    layers: dict[str, dict[str, RecordSet]] = {layer: {} for layer in LAYERS}
    for key, record in answer["records"].items():
        layers[layer_of(record)][key] = record_set(record)
    checks = {name: health_check(each) for name, each in answer["health_checks"].items()}
    return Plan(layers, checks)


def layer_of(record: dict[str, Any]) -> str:
    if record["values"] is not None:
        return LEAF
    if record["country"] is None and record["continent"] is None:
        return STEP
    return PLACE if ".where." in record["name"] else HOST


def record_set(record: dict[str, Any]) -> RecordSet:
    """As the dns module has it made of a record of the registry."""
    it = {
        "Name": record["name"],
        "Type": record["type"],
        "SetIdentifier": record["set_identifier"],
        "Weight": record["weight"],
        "Failover": record["failover"],
        "HealthCheckId": record["health"],
        "GeoLocation": geolocation(record),
        "GeoProximityLocation": geoproximity(record),
    }
    if record["values"] is not None:
        it["TTL"] = record["ttl"]
        it["ResourceRecords"] = [{"Value": value} for value in record["values"]]
    else:
        it["AliasTarget"] = {"DNSName": record["alias"], "EvaluateTargetHealth": record["evaluate"]}
    return {key: each for key, each in it.items() if each is not None}


def geolocation(record: dict[str, Any]) -> dict[str, str] | None:
    where = {"CountryCode": record["country"], "ContinentCode": record["continent"]}
    return {key: each for key, each in where.items() if each is not None} or None


def geoproximity(record: dict[str, Any]) -> dict[str, Any] | None:
    if record["latitude"] is None:
        return None
    where = {"Latitude": record["latitude"], "Longitude": record["longitude"]}
    return {"Coordinates": where, "Bias": record["bias"]}


def health_check(asked: dict[str, Any]) -> HealthCheck:
    return {
        "Type": "HTTPS",
        "FullyQualifiedDomainName": asked["fqdn"],
        "Port": 443,
        "ResourcePath": asked["path"],
        "RequestInterval": REQUEST_INTERVAL,
        "FailureThreshold": FAILURE_THRESHOLD,
        "MeasureLatency": False,
        "Disabled": asked["forced_sick"],
        "Inverted": asked["forced_sick"],
    }
