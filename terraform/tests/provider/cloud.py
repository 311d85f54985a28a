"""What a cloud would have answered: made up, but always the same for the same configuration.

Answers look like real ones where something reads them: ids, ARNs, zones, JSON of policies. They are
made from the type, the region and what is configured, so a second run makes the same ones.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from plan import UNKNOWN, State, Value, is_unknown, is_whole

ACCOUNT = "123456789012"
REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")
EPOCH = "2024-01-01T00:00:00Z"

# Which service of AWS a type belongs to, where its name does not say.
SERVICES = {
    "alb": "elasticloadbalancing",
    "customer": "ec2",
    "db": "rds",
    "default": "ec2",
    "ebs": "ec2",
    "eip": "ec2",
    "flow": "ec2",
    "instance": "ec2",
    "internet": "ec2",
    "launch": "ec2",
    "lb": "elasticloadbalancing",
    "msk": "kafka",
    "nat": "ec2",
    "network": "ec2",
    "prometheus": "aps",
    "route": "ec2",
    "security": "ec2",
    "sfn": "states",
    "subnet": "ec2",
    "vpc": "ec2",
}
WITHOUT_REGION = {"cloudfront", "globalaccelerator", "iam", "organizations", "route53", "s3"}
WITHOUT_ACCOUNT = {"route53", "s3"}
# How ids begin; other types take their name, or one made up, for an id.
IDS = {
    "aws_ec2_transit_gateway": "tgw",
    "aws_ec2_transit_gateway_peering_attachment": "tgw-attach",
    "aws_ec2_transit_gateway_vpc_attachment": "tgw-attach",
    "aws_eip": "eipalloc",
    "aws_internet_gateway": "igw",
    "aws_launch_template": "lt",
    "aws_nat_gateway": "nat",
    "aws_network_acl": "acl",
    "aws_route_table": "rtb",
    "aws_security_group": "sg",
    "aws_subnet": "subnet",
    "aws_vpc": "vpc",
    "aws_vpc_endpoint": "vpce",
    "aws_vpc_peering_connection": "pcx",
}


class Cloud:
    """One provider as it is configured."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.region: Value = None
        self.account = ACCOUNT
        self.default_tags: Value = {}
        self.twins: Counter[str] = Counter()
        self.lock = threading.Lock()

    def configure(self, configuration: State) -> str | None:
        """Takes the configuration; returns what is wrong with it."""
        if self.provider != "aws":
            return None
        told = configuration["region"]
        region = told or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if not region:
            return "No region: set `region` in the provider, or AWS_REGION."
        self.region = region
        allowed = configuration["allowed_account_ids"]
        if allowed and is_whole(allowed):
            self.account = allowed[0]
        for block in configuration["default_tags"]:
            self.default_tags = block["tags"] or {}
        return invalid_region(region)

    def region_of(self, state: State) -> Value:
        """The region of a resource: its own `region`, or the provider's."""
        return state.get("region") or self.region or UNKNOWN

    def tags_all(self, state: State) -> Value:
        """The tags of a resource with those that the provider gives to all."""
        tags = state["tags"] or {}
        if is_unknown(tags) or is_unknown(self.default_tags):
            return UNKNOWN
        return self.default_tags | tags

    def number_among_twins(self, text: str) -> int:
        """Resources that are configured alike differ in what the cloud calls them."""
        with self.lock:
            self.twins[text] += 1
            return self.twins[text]


def invalid_region(region: Value) -> str | None:
    """What is wrong with the name of a region of AWS."""
    if is_unknown(region) or REGION.fullmatch(region):
        return None
    return f"Invalid region: {region}"


class Answers:
    """What the cloud says of one resource; `state` is what is known of it."""

    def __init__(self, cloud: Cloud, type_name: str, state: State) -> None:
        self.cloud = cloud
        self.type_name = type_name
        self.state = state
        region = cloud.region_of(state)
        # Some types have a `region` of their own that is not text.
        self.region: str = region if isinstance(region, str) else "us-east-1"
        text = f"{type_name} {self.region} {told(state)}"
        self.digest = digest(text, cloud.number_among_twins(text))
        self.by_type = by_type(self)

    def within(self, state: State) -> Answers:
        inner = copy.copy(self)
        inner.digest = digest(self.digest, told(state))
        inner.by_type = {}
        return inner

    def of(self, name: str, type_: Any, optional: bool = False) -> Value:
        """The answer for an attribute of a type."""
        if name in self.by_type:
            return self.by_type[name]
        if isinstance(type_, list):
            kind, inner = type_
            if kind == "object":
                return {each: self.of(each, inner[each]) for each in inner}
            if kind == "map":
                return {}
            return [] if optional else [self.of(name, inner)]
        if type_ == "string":
            return self.text(name)
        return {"number": 0, "bool": False, "dynamic": None}[type_]

    def text(self, name: str) -> str:
        """The answer for an attribute that is text, from what its name promises."""
        for pattern, made in TEXTS:
            if re.fullmatch(pattern, name):
                return made(self, name)
        return self.label(name)

    def id(self) -> str:
        if self.type_name in IDS:
            return f"{IDS[self.type_name]}-{self.digest[:17]}"
        if self.type_name == "aws_route53_zone":
            return self.zone()
        if self.cloud.provider == "cockroach":
            return self.uuid()
        name = self.state.get("bucket") or self.state.get("name")
        if isinstance(name, str):
            return name
        return f"{self.type_name.rsplit('_', 1)[-1]}-{self.digest[:12]}"

    def uuid(self) -> str:
        d = self.digest
        return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:32]}"

    def zone(self) -> str:
        return "Z" + self.digest[:20].upper()

    def label(self, name: str) -> str:
        return f"{name.replace('_', '-')}-{self.digest[:8]}"

    def arn(self) -> str:
        words = self.type_name.split("_")[1:]
        service = SERVICES.get(words[0], words[0])
        kind = "-".join(words[1:] if service == words[0] else words) or words[0]
        region = "" if service in WITHOUT_REGION else self.region
        account = "" if service in WITHOUT_ACCOUNT else self.cloud.account
        rest = self.id() if service == "s3" else f"{kind}/{self.id()}"
        return f"arn:{partition(self.region)}:{service}:{region}:{account}:{rest}"


TEXTS: list[tuple[str, Callable[[Answers, str], str]]] = [
    ("id", lambda a, _: a.id()),
    ("(.*_)?arn", lambda a, _: a.arn()),
    ("region|.*_region", lambda a, _: a.region),
    ("availability_zone", lambda a, _: a.region + "a"),
    ("partition", lambda a, _: partition(a.region)),
    ("owner|owner_id|account_id|registry_id", lambda a, _: a.cloud.account),
    ("zone_id|hosted_zone_id", lambda a, _: a.zone()),
    ("(.*_)?(dns_name|dns|domain_name|hostname|fqdn)", lambda a, n: f"{a.label(n)}.example.net"),
    ("(.*_)?(endpoint|url|issuer|uri)", lambda a, n: f"https://{a.label(n)}.example.net"),
    ("(.*_)?(ip|ip_address|address)", lambda a, _: f"192.0.2.{int(a.digest[:2], 16)}"),
    ("(.*_)?ipv6_cidr(_block)?", lambda a, _: f"2001:db8:{a.digest[:4]}::/56"),
    ("(.*_)?cidr(_block|_range)?", lambda a, _: "10.0.0.0/16"),
    ("(.*_)?(json|policy|policy_document)", lambda a, _: "{}"),
    ("data|(.*_)?(base64|b64)", lambda a, _: base64.b64encode(a.digest.encode()).decode()),
    ("(.*_)?(date|time|at|timestamp)", lambda a, _: EPOCH),
    ("(.*_)?uuid", lambda a, _: a.uuid()),
]


def told(state: State) -> str:
    """What is known of a state, as text."""
    known = {key: value for key, value in state.items() if value and is_whole(value)}
    return json.dumps(known, sort_keys=True, default=repr)


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def partition(region: str) -> str:
    for start in ("cn", "eusc", "us-gov"):
        if region.startswith(f"{start}-"):
            return f"aws-{start}"
    return "aws"


def by_type(a: Answers) -> State:
    """Answers that follow from the type of the resource, by attribute."""
    region, account, state = a.region, a.cloud.account, a.state
    match a.type_name:
        case "aws_availability_zones":
            return {"id": region, "names": [region + letter for letter in "abc"]}
        case "aws_caller_identity":
            arn = f"arn:{partition(region)}:iam::{account}:user/terraform"
            return {"id": account, "arn": arn}
        case "aws_iam_policy_document":
            document = policy_document(state)
            return {"json": json.dumps(document, indent=2), "minified_json": json.dumps(document)}
        case "aws_partition":
            suffix = "amazonaws.com.cn" if partition(region) == "aws-cn" else "amazonaws.com"
            return {"id": partition(region), "dns_suffix": suffix}
        case "aws_region":
            return {"id": region, "name": region, "endpoint": f"ec2.{region}.amazonaws.com"}
        case "aws_route53_record":
            parts = [state[name] for name in ("zone_id", "name", "type", "set_identifier")]
            return {"id": "_".join(filter(None, parts)), "fqdn": state["name"]}
        case "aws_route53_zone":
            servers = [f"ns-{a.digest[at : at + 4]}.example.net" for at in (0, 4, 8, 12)]
            return {"name_servers": servers, "primary_name_server": servers[0]}
        case "cockroach_cluster":
            return {"state": "CREATED", "plan": "ADVANCED" if state["dedicated"] else "STANDARD"}
        case "cockroach_database" | "cockroach_sql_user":
            return {"id": f"{state['cluster_id']}:{state['name']}"}
    return {}


def policy_document(state: State) -> State:
    """The document that a data source aws_iam_policy_document writes."""
    statements = []
    for source in state["source_policy_documents"] or []:
        statements += json.loads(source)["Statement"]
    statements += [policy_statement(each) for each in state["statement"]]
    document: State = {"Version": state["version"] or "2012-10-17"}
    if state["policy_id"]:
        document["Id"] = state["policy_id"]
    return document | {"Statement": statements}


def policy_statement(state: State) -> State:
    written: State = {"Effect": state["effect"] or "Allow"}
    if state["sid"]:
        written["Sid"] = state["sid"]
    for key, name in (
        ("actions", "Action"),
        ("not_actions", "NotAction"),
        ("resources", "Resource"),
        ("not_resources", "NotResource"),
    ):
        if state[key]:
            written[name] = one_or_many(state[key])
    for key, name in (("principals", "Principal"), ("not_principals", "NotPrincipal")):
        if state[key]:
            who = {each["type"]: one_or_many(each["identifiers"]) for each in state[key]}
            written[name] = "*" if who == {"*": "*"} else who
    for each in state["condition"]:
        test = written.setdefault("Condition", {}).setdefault(each["test"], {})
        test[each["variable"]] = one_or_many(each["values"])
    return written


def one_or_many(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else sorted(values)
