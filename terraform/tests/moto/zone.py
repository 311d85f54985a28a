"""A zone of Route 53: what it holds, what differs, and how to come from one to the other."""

from __future__ import annotations

import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import cloud
from harness import expect, nothing

# A record set as Route 53's interface has it, and the settings of a health check.
RecordSet = dict[str, Any]
HealthCheck = dict[str, Any]
# Name, type and identifier.
Key = tuple[str, str, str | None]

# A request takes so many values, and so many characters in them; both count twice in an UPSERT.
VALUES_MAX = 1000
CHARACTERS_MAX = 32_000
PAGE = 300
# Stands for the name of a health check that is not there.
NO_CHECK = "no health check"

POLICIES = ("Weight", "Failover", "GeoLocation", "GeoProximityLocation")
# The layers of terraform/modules/dns, in the order of their creation.
LEAF, STEP, PLACE, HOST = LAYERS = ("leaf", "step", "place", "host")


class Plan(NamedTuple):
    """What a zone should hold: record sets by layer, and by the key that Terraform knows them by.
    The health check of a record set is a key here, no id."""

    layers: dict[str, dict[str, RecordSet]]
    health_checks: dict[str, HealthCheck]

    def sets(self) -> list[RecordSet]:
        return [each for layer in LAYERS for each in self.layers[layer].values()]

    def by_key(self) -> dict[Key, RecordSet]:
        return {key_of(each): each for each in self.sets()}


NOTHING = Plan({layer: {} for layer in LAYERS}, {})


class Change(NamedTuple):
    action: str
    record_set: RecordSet


# Changes that do not wait for each other.
Stage = list[Change]


def key_of(it: RecordSet) -> Key:
    return it["Name"], it["Type"], it.get("SetIdentifier")


def place_of(it: RecordSet) -> tuple[str, str]:
    return it["Name"], it["Type"]


def policies(it: RecordSet) -> list[str]:
    return [policy for policy in POLICIES if policy in it]


def kind_of(it: RecordSet) -> str:
    return (policies(it) or ["simple"])[0]


def target_of(it: RecordSet) -> tuple[str, str] | None:
    """What an alias leads to."""
    return (it["AliasTarget"]["DNSName"], it["Type"]) if "AliasTarget" in it else None


def written(key: Key) -> str:
    return " ".join(part for part in key if part)


def stages(before: Plan, after: Plan) -> list[Stage]:
    """The changes in the order that Terraform takes through the dns module."""
    comes: list[Stage] = []
    goes: list[Stage] = []
    for layer in LAYERS:
        old, new = before.layers[layer], after.layers[layer]
        comes.append(
            [
                Change("UPSERT" if key in old else "CREATE", it)
                for key, it in new.items()
                if old.get(key) != it
            ]
        )
        goes.append([Change("DELETE", it) for key, it in old.items() if key not in new])
    return [changes for changes in comes + goes[::-1] if changes]


def backwards(before: Plan, after: Plan) -> list[Stage]:
    """The same in the order that breaks: what goes, goes first."""
    return stages(before, after)[::-1]


def batches(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Requests that Route 53 takes."""
    batch: list[Change] = []
    values = characters = 0
    for change in changes:
        more, longer = weight(change)
        expect(more <= VALUES_MAX and longer <= CHARACTERS_MAX, "a set that fits a request", change)
        if values + more > VALUES_MAX or characters + longer > CHARACTERS_MAX:
            yield batch
            batch, values, characters = [], 0, 0
        batch.append(change)
        values, characters = values + more, characters + longer
    if batch:
        yield batch


def weight(change: Change) -> tuple[int, int]:
    """Values and characters of a change. An alias counts as one, to be on the safe side."""
    values = [each["Value"] for each in change.record_set.get("ResourceRecords", [])]
    times = 2 if change.action == "UPSERT" else 1
    return times * max(1, len(values)), times * sum(map(len, values))


class Led:
    """Follows a zone change by change: whether every alias leads somewhere, and whether Route 53
    takes the change beside what is there."""

    def __init__(self) -> None:
        self.sets: dict[Key, RecordSet] = {}
        self.there: Counter[tuple[str, str]] = Counter()
        self.led_to: Counter[tuple[str, str]] = Counter()
        self.kinds: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def take(self, change: Change) -> None:
        old = self.sets.pop(key_of(change.record_set), None)
        expect((old is None) == (change.action == "CREATE"), "no set before its creation", change)
        if old:
            self.count(old, -1)
        if change.action != "DELETE":
            self.sets[key_of(change.record_set)] = change.record_set
            self.count(change.record_set, 1)
        self.look(change, old)

    def count(self, it: RecordSet, by: int) -> None:
        self.there[place_of(it)] += by
        self.kinds[place_of(it)][kind_of(it)] += by
        if target := target_of(it):
            self.led_to[target] += by

    def look(self, change: Change, old: RecordSet | None) -> None:
        """Only what a change touches can have come apart."""
        key = f"{change.action} {written(key_of(change.record_set))}"
        kinds = sorted(+self.kinds[place_of(change.record_set)])
        if len(kinds) > 1:
            raise AssertionError(f"{key}: Route 53 refuses {' beside '.join(kinds)}")
        for place in (place_of(change.record_set), target_of(change.record_set)):
            if place and self.led_to[place] and not self.there[place]:
                name, rtype = place
                raise AssertionError(
                    f"{key}: an alias leads to {name} {rtype},"
                    f" which is {'gone' if old else 'not there'}"
                )


class Zone:
    """A hosted zone at the service, and what was asked of it."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self.client = cloud.client("route53")
        self.chance = random.Random(seed)
        self.led = Led()
        self.ids: dict[str, str] = {}
        self.requests: list[int] = []
        answer = self.client.create_hosted_zone(Name=name, CallerReference=str(uuid.uuid4()))
        self.id = answer["HostedZone"]["Id"].rpartition("/")[2]
        self.apex = name

    def move(
        self,
        before: Plan,
        after: Plan,
        order: Callable[[Plan, Plan], list[Stage]] = stages,
    ) -> None:
        """Carries out what differs. Looks after every change, and at the service after every
        request, whether all aliases and health checks lead to something."""
        self.move_health_checks(before.health_checks, after.health_checks)
        for stage in order(before, after):
            # Terraform keeps no order in a layer.
            for batch in batches(self.chance.sample(stage, len(stage))):
                for change in batch:
                    self.led.take(change)
                self.send(batch)
                self.look()
        for name in before.health_checks.keys() - after.health_checks.keys():
            self.client.delete_health_check(HealthCheckId=self.ids.pop(name))
        self.look()

    def move_health_checks(
        self, before: dict[str, HealthCheck], after: dict[str, HealthCheck]
    ) -> None:
        for name, config in after.items():
            if name not in before:
                self.ids[name] = self.create_health_check(name, config)
            elif before[name] != config:
                # Type and interval stay for good.
                changed = {key: each for key, each in config.items() if before[name][key] != each}
                self.client.update_health_check(HealthCheckId=self.ids[name], **changed)

    def create_health_check(self, name: str, config: HealthCheck) -> str:
        answer = self.client.create_health_check(
            CallerReference=str(uuid.uuid4()), HealthCheckConfig=config
        )
        made: str = answer["HealthCheck"]["Id"]
        tags = [{"Key": "Name", "Value": name}]
        self.client.change_tags_for_resource(
            ResourceType="healthcheck", ResourceId=made, AddTags=tags
        )
        return made

    def send(self, batch: list[Change]) -> None:
        self.requests.append(sum(weight(change)[0] for change in batch))
        changes = [
            {"Action": each.action, "ResourceRecordSet": self.outgoing(each.record_set)}
            for each in batch
        ]
        self.client.change_resource_record_sets(
            HostedZoneId=self.id, ChangeBatch={"Changes": changes}
        )

    def outgoing(self, it: RecordSet) -> RecordSet:
        """With the ids that only the service knows."""
        out = dict(it)
        if "HealthCheckId" in it:
            out["HealthCheckId"] = self.ids.get(it["HealthCheckId"], it["HealthCheckId"])
        if "AliasTarget" in it:
            out["AliasTarget"] = {**it["AliasTarget"], "HostedZoneId": self.id}
        return out

    def incoming(self, it: RecordSet) -> RecordSet:
        names = {made: name for name, made in self.ids.items()}
        out = {**it, "Name": it["Name"].rstrip(".")}
        if not out.get("ResourceRecords"):
            out.pop("ResourceRecords", None)
        if "HealthCheckId" in it:
            out["HealthCheckId"] = names.get(it["HealthCheckId"], NO_CHECK)
        if target := it.get("AliasTarget"):
            expect(target["HostedZoneId"] == self.id, "an alias inside the zone", it)
            out["AliasTarget"] = {
                "DNSName": target["DNSName"].rstrip("."),
                "EvaluateTargetHealth": target["EvaluateTargetHealth"],
            }
        return out

    def read(self) -> dict[Key, RecordSet]:
        """All record sets but the zone's own two. A page begins at a name and a type, so some
        sets come twice."""
        pages = self.client.get_paginator("list_resource_record_sets").paginate(
            HostedZoneId=self.id, PaginationConfig={"PageSize": PAGE}
        )
        found: dict[Key, RecordSet] = {}
        for page in pages:
            for each in map(self.incoming, page["ResourceRecordSets"]):
                if each["Type"] in ("NS", "SOA") and each["Name"] == self.apex:
                    continue
                twin = found.setdefault(key_of(each), each)
                expect(twin == each, f"the same of {written(key_of(each))} twice", each)
        return found

    def read_health_checks(self) -> dict[str, HealthCheck]:
        """Settings by the name that the check's tag has."""
        found = {}
        ids = set(self.ids.values())
        for page in self.client.get_paginator("list_health_checks").paginate():
            for each in page["HealthChecks"]:
                if each["Id"] in ids:
                    tags = self.client.list_tags_for_resource(
                        ResourceType="healthcheck", ResourceId=each["Id"]
                    )["ResourceTagSet"]["Tags"]
                    (name,) = [tag["Value"] for tag in tags if tag["Key"] == "Name"]
                    found[name] = each["HealthCheckConfig"]
        return found

    def look(self) -> None:
        """At the service itself, whether all leads to something."""
        sets = self.read()
        there = {place_of(each) for each in sets.values()}
        nothing(
            [
                written(key)
                for key, each in sets.items()
                if (target := target_of(each)) and target not in there
            ],
            "aliases lead nowhere",
        )
        checks = self.client.list_health_checks()["HealthChecks"]
        alive = {each["Id"] for each in checks} & set(self.ids.values())
        expect(len(alive) == len(self.ids), "all health checks", sorted(self.ids))
        nothing(
            [written(key) for key, each in sets.items() if each.get("HealthCheckId") == NO_CHECK],
            "sets lack their health check",
        )
        expect(sets == self.led.sets, "what was asked so far", difference(self.led.sets, sets))


def difference(wanted: dict[Key, Any], came: dict[Key, Any]) -> str:
    """A few words about two that are not the same."""
    lost = [f"{written(key)} is missing" for key in wanted.keys() - came.keys()]
    more = [f"{written(key)} is too much" for key in came.keys() - wanted.keys()]
    other = [
        f"{written(key)}: {came[key]} instead of {wanted[key]}"
        for key in wanted.keys() & came.keys()
        if wanted[key] != came[key]
    ]
    found = sorted(lost + more + other)
    return f"{len(found)} differences: {'; '.join(found[:3])}"
