"""What Route 53 refuses, or leaves without an answer, and moto takes.

A rule looks at a whole plan of a zone and says what is wrong with it. Each has at least one fault
here: a small healthy zone with one thing wrong, which that rule has to find, and no other.

Where they are from: the API reference (ChangeResourceRecordSets) and the developer guide (quotas,
values of records).
"""

from __future__ import annotations

import copy
import graphlib
import re
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from harness import Check, expect, nothing
from zone import (
    CHARACTERS_MAX,
    HOST,
    LAYERS,
    LEAF,
    STEP,
    VALUES_MAX,
    Change,
    Led,
    Plan,
    RecordSet,
    batches,
    key_of,
    kind_of,
    place_of,
    policies,
    target_of,
    weight,
    written,
)

ZONE_MAX = 10_000
VALUES_OF_A_SET_MAX = 400
# Sets of one name and type. The guide offers no way to raise either quota.
NAME_MAX = {"GeoProximityLocation": 30}
NAME_MAX_ELSE = 100
LABEL_MAX, DOMAIN_MAX, IDENTIFIER_MAX = 63, 255, 128
WEIGHT_MAX = 255
BIAS_MAX = 99
TTL_MAX = 2_147_483_647
# What needs no escape.
LABEL = re.compile(r"[a-z0-9_-]+")
# As many as two digits behind the point.
DEGREES = re.compile(r"[-+]?\d{1,3}(\.\d{0,2})?")

T = TypeVar("T")
Found = Iterator[str]
Rule = Callable[[Plan], Found]
Fault = Callable[[Plan], None]

RULES: dict[str, Rule] = {}
FAULTS: dict[str, tuple[str, Fault]] = {}


def rule(body: Rule) -> Rule:
    RULES[body.__name__] = body
    return body


def fault(breaks: str) -> Callable[[Fault], Fault]:
    def keep(body: Fault) -> Fault:
        FAULTS[body.__name__] = breaks, body
        return body

    return keep


def routed(plan: Plan, policy: str) -> Iterator[tuple[tuple[str, str], list[RecordSet]]]:
    """The sets that share a name and a type, where one of them has this policy."""
    for place, sets in by_place(plan).items():
        if any(policy in each for each in sets):
            yield place, sets


def by_place(plan: Plan) -> dict[tuple[str, str], list[RecordSet]]:
    found: dict[tuple[str, str], list[RecordSet]] = defaultdict(list)
    for each in plan.sets():
        found[place_of(each)].append(each)
    return found


def named(it: RecordSet) -> str:
    return written(key_of(it))


def twice(keys: Iterator[T]) -> list[T]:
    return [key for key, times in Counter(keys).items() if times > 1]


@rule
def identifiers_are_unique(plan: Plan) -> Found:
    for key in twice(key_of(each) for each in plan.sets()):
        yield f"{written(key)} is there twice"


@rule
def identifiers_go_with_policies(plan: Plan) -> Found:
    for each in plan.sets():
        if bool(policies(each)) != ("SetIdentifier" in each):
            yield f"{named(each)} has a policy or an identifier, and not both"


@rule
def a_set_has_one_policy(plan: Plan) -> Found:
    for each in plan.sets():
        if len(policies(each)) > 1:
            yield f"{named(each)} has {' and '.join(policies(each))}"


@rule
def a_name_has_one_policy(plan: Plan) -> Found:
    for (name, rtype), sets in by_place(plan).items():
        kinds = {kind_of(each) for each in sets if policies(each)}
        if len(kinds) > 1:
            yield f"{name} {rtype} has {' and '.join(sorted(kinds))}"


@rule
def a_simple_set_is_alone(plan: Plan) -> Found:
    for (name, rtype), sets in by_place(plan).items():
        if {bool(policies(each)) for each in sets} == {True, False}:
            yield f"{name} {rtype} is simple, and has others beside it"


@rule
def geolocation_has_a_default(plan: Plan) -> Found:
    for (name, rtype), sets in routed(plan, "GeoLocation"):
        if not any(each.get("GeoLocation") == {"CountryCode": "*"} for each in sets):
            yield f"{name} {rtype} has no answer for whom no table knows"


@rule
def a_location_is_named_once(plan: Plan) -> Found:
    for (name, rtype), sets in routed(plan, "GeoLocation"):
        places = (tuple(each["GeoLocation"].items()) for each in sets if "GeoLocation" in each)
        for place in twice(places):
            yield f"{name} {rtype} says twice where {place} goes"


@rule
def a_location_is_a_country_or_a_continent(plan: Plan) -> Found:
    for each in plan.sets():
        location = each.get("GeoLocation", {"CountryCode": "*"})
        country, continent = location.get("CountryCode"), location.get("ContinentCode")
        known = continent in (None, "AF", "AN", "AS", "EU", "NA", "OC", "SA")
        fits = country is None or re.fullmatch(r"[A-Z]{2}|\*", country)
        if (country is None) == (continent is None) or not known or not fits:
            yield f"{named(each)} is for {location}"


@rule
def alias_targets_are_there_before(plan: Plan) -> Found:
    there: set[tuple[str, str]] = set()
    for layer in LAYERS:
        for each in plan.layers[layer].values():
            target = target_of(each)
            if target and target not in there:
                yield f"{named(each)} leads to {' '.join(target)}, made later or never"
        there |= {place_of(each) for each in plan.layers[layer].values()}


@rule
def aliases_come_to_an_end(plan: Plan) -> Found:
    graph: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for each in plan.sets():
        if target := target_of(each):
            graph[place_of(each)].add(target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield f"aliases go round: {' to '.join(name for name, _ in error.args[1])}"


@rule
def values_or_an_alias(plan: Plan) -> Found:
    for each in plan.sets():
        values = each.get("ResourceRecords", [])
        alias = "AliasTarget" in each
        if alias and (values or "TTL" in each):
            yield f"{named(each)} is an alias and has values or a TTL"
        if not alias and not (1 <= len(values) <= VALUES_OF_A_SET_MAX):
            yield f"{named(each)} has {len(values)} values and no alias"
        if not alias and not (0 <= each.get("TTL", -1) <= TTL_MAX):
            yield f"{named(each)} has no TTL that fits"
        for value in twice(value["Value"] for value in values):
            yield f"{named(each)} says {value} twice"


@rule
def weights_fit(plan: Plan) -> Found:
    for each in plan.sets():
        amount = each.get("Weight", 0)
        if not (isinstance(amount, int) and 0 <= amount <= WEIGHT_MAX):
            yield f"{named(each)} weighs {amount}"


@rule
def geoproximity_fits(plan: Plan) -> Found:
    for each in plan.sets():
        where = each.get("GeoProximityLocation")
        if where and not -BIAS_MAX <= where["Bias"] <= BIAS_MAX:
            yield f"{named(each)} has bias {where['Bias']}"
        for axis, most in (("Latitude", 90), ("Longitude", 180)) if where else ():
            degrees = where["Coordinates"][axis]
            if not DEGREES.fullmatch(degrees) or abs(float(degrees)) > most:
                yield f"{named(each)} has {axis.lower()} {degrees}"


@rule
def health_checks_are_there(plan: Plan) -> Found:
    for each in plan.sets():
        check = each.get("HealthCheckId")
        if check is not None and check not in plan.health_checks:
            yield f"{named(each)} asks {check!r}, which is not there"


@rule
def failover_has_one_primary(plan: Plan) -> Found:
    for (name, rtype), sets in routed(plan, "Failover"):
        roles = Counter(each.get("Failover") for each in sets)
        if roles["PRIMARY"] != 1 or roles["SECONDARY"] > 1:
            yield f"{name} {rtype} has {roles['PRIMARY']} first and {roles['SECONDARY']} second"


@rule
def names_fit(plan: Plan) -> Found:
    for each in plan.sets():
        labels = each["Name"].split(".")
        for label in labels:
            if not LABEL.fullmatch(label) or len(label) > LABEL_MAX:
                yield f"{named(each)}: {label!r} is no label"
        if len(each["Name"]) + 1 > DOMAIN_MAX:
            yield f"{named(each)} has {len(each['Name'])} characters"
        if not 1 <= len(each.get("SetIdentifier", "-")) <= IDENTIFIER_MAX:
            yield f"{named(each)} has an identifier of {len(each['SetIdentifier'])} characters"


@rule
def the_zone_has_room(plan: Plan) -> Found:
    if len(plan.sets()) > ZONE_MAX:
        yield f"{len(plan.sets())} sets; a zone takes {ZONE_MAX}"


@rule
def each_name_has_room(plan: Plan) -> Found:
    for (name, rtype), sets in by_place(plan).items():
        policy = kind_of(sets[0])
        most = NAME_MAX.get(policy, NAME_MAX_ELSE)
        if len(sets) > most:
            yield f"{name} {rtype} has {len(sets)} sets by {policy}; a name and type takes {most}"


def healthy() -> Plan:
    """A small zone with everything in it and nothing wrong."""
    here = {"ResourceRecords": [{"Value": "192.0.2.1"}], "TTL": 30}
    spot = {"Bias": 0, "Coordinates": {"Latitude": "39.04", "Longitude": "-77.49"}}

    def at(name: str, identifier: str | None = None, **rest: object) -> RecordSet:
        own = {"SetIdentifier": identifier} if identifier else {}
        return {"Name": f"{name}.example.org", "Type": "A", **own, **rest}

    def to(name: str) -> dict[str, object]:
        return {"AliasTarget": {"DNSName": f"{name}.example.org", "EvaluateTargetHealth": True}}

    return plan_of(
        {
            LEAF: [
                at("direct", **here),
                at("near", "east", GeoProximityLocation=spot, HealthCheckId="east", **here),
                at("r0", "take", Weight=100, HealthCheckId="east", **here),
                at("last", **here),
            ],
            STEP: [
                at("r0", "pass", Weight=0, **to("last")),
                at("go", "ready", Failover="PRIMARY", **to("r0")),
                at("go", "alive", Failover="SECONDARY", **to("last")),
            ],
            HOST: [
                at("api", "default", GeoLocation={"CountryCode": "*"}, **to("go")),
                at("api", "DE", GeoLocation={"CountryCode": "DE"}, **to("go")),
                at("api", "EU", GeoLocation={"ContinentCode": "EU"}, **to("go")),
            ],
        },
        {"east": {"Type": "HTTPS"}},
    )


def plan_of(layers: dict[str, list[RecordSet]], checks: dict[str, dict[str, object]]) -> Plan:
    keyed = {layer: dict(enumerated(layers.get(layer, []))) for layer in LAYERS}
    return Plan(keyed, checks)


def enumerated(sets: Iterable[RecordSet], first: int = 0) -> Iterator[tuple[str, RecordSet]]:
    """With keys that count up: names and identifiers are what faults are about."""
    return ((f"set {at}", each) for at, each in enumerate(sets, start=first))


def the(plan: Plan, name: str, identifier: str | None = None) -> RecordSet:
    wanted = (f"{name}.example.org", "A", identifier)
    return next(each for each in plan.sets() if key_of(each) == wanted)


def add(plan: Plan, layer: str, *sets: RecordSet) -> None:
    plan.layers[layer].update(enumerated(sets, len(plan.layers[layer])))


def like(it: RecordSet, **changes: object) -> RecordSet:
    changed = {**copy.deepcopy(it), **changes}
    return {key: each for key, each in changed.items() if each is not None}


@fault("identifiers_are_unique")
def the_same_set_twice(plan: Plan) -> None:
    add(plan, LEAF, like(the(plan, "r0", "take"), Weight=7))


@fault("identifiers_are_unique")
def the_same_simple_set_twice(plan: Plan) -> None:
    add(plan, LEAF, like(the(plan, "direct"), TTL=60))


@fault("identifiers_go_with_policies")
def an_identifier_without_a_policy(plan: Plan) -> None:
    the(plan, "direct")["SetIdentifier"] = "east"


@fault("identifiers_go_with_policies")
def a_policy_without_an_identifier(plan: Plan) -> None:
    add(plan, LEAF, like(the(plan, "direct"), Name="w.example.org", Weight=1))


@fault("a_set_has_one_policy")
def a_set_with_two_policies(plan: Plan) -> None:
    extra = {"Name": "two.example.org", "SetIdentifier": "two", "Weight": 1, "Failover": "PRIMARY"}
    add(plan, LEAF, like(the(plan, "direct"), **extra))


@fault("a_name_has_one_policy")
def a_name_with_two_policies(plan: Plan) -> None:
    add(plan, HOST, like(the(plan, "api", "EU"), SetIdentifier="w", GeoLocation=None, Weight=1))


@fault("a_simple_set_is_alone")
def a_simple_set_beside_others(plan: Plan) -> None:
    add(plan, LEAF, like(the(plan, "direct"), Name="r0.example.org"))


@fault("geolocation_has_a_default")
def no_default(plan: Plan) -> None:
    the(plan, "api", "default")["GeoLocation"] = {"CountryCode": "US"}


@fault("a_location_is_named_once")
def one_country_twice(plan: Plan) -> None:
    add(plan, HOST, like(the(plan, "api", "DE"), SetIdentifier="Germany"))


@fault("a_location_is_a_country_or_a_continent")
def a_country_and_its_continent(plan: Plan) -> None:
    the(plan, "api", "DE")["GeoLocation"] = {"CountryCode": "DE", "ContinentCode": "EU"}


@fault("a_location_is_a_country_or_a_continent")
def a_continent_that_is_none(plan: Plan) -> None:
    the(plan, "api", "EU")["GeoLocation"] = {"ContinentCode": "UE"}


@fault("alias_targets_are_there_before")
def an_alias_to_nothing(plan: Plan) -> None:
    the(plan, "api", "DE")["AliasTarget"]["DNSName"] = "gone.example.org"


@fault("alias_targets_are_there_before")
def an_alias_to_another_type(plan: Plan) -> None:
    add(plan, HOST, like(the(plan, "go", "ready"), Type="AAAA"))


@fault("alias_targets_are_there_before")
def a_target_of_the_same_layer(plan: Plan) -> None:
    add(plan, STEP, like(the(plan, "r0", "pass"), Name="r9.example.org"))
    the(plan, "go", "ready")["AliasTarget"]["DNSName"] = "r9.example.org"


@fault("aliases_come_to_an_end")
def aliases_in_a_ring(plan: Plan) -> None:
    the(plan, "go", "alive")["AliasTarget"]["DNSName"] = "r0.example.org"
    add(
        plan,
        LEAF,
        like(the(plan, "direct"), Name="go.example.org", SetIdentifier="x", Failover="SECONDARY"),
    )
    plan.layers[STEP] = {
        key: each for key, each in plan.layers[STEP].items() if each["SetIdentifier"] != "alive"
    }
    the(plan, "r0", "pass")["AliasTarget"]["DNSName"] = "go.example.org"


@fault("values_or_an_alias")
def neither_values_nor_an_alias(plan: Plan) -> None:
    the(plan, "direct")["ResourceRecords"] = []


@fault("values_or_an_alias")
def an_alias_with_a_ttl(plan: Plan) -> None:
    the(plan, "api", "DE")["TTL"] = 30


@fault("values_or_an_alias")
def values_without_a_ttl(plan: Plan) -> None:
    del the(plan, "direct")["TTL"]


@fault("values_or_an_alias")
def one_value_twice(plan: Plan) -> None:
    the(plan, "direct")["ResourceRecords"] *= 2


@fault("weights_fit")
def a_weight_of_256(plan: Plan) -> None:
    the(plan, "r0", "take")["Weight"] = 256


@fault("weights_fit")
def a_weight_below_nothing(plan: Plan) -> None:
    the(plan, "r0", "pass")["Weight"] = -1


@fault("weights_fit")
def half_a_weight(plan: Plan) -> None:
    the(plan, "r0", "pass")["Weight"] = 0.5


@fault("geoproximity_fits")
def a_bias_of_100(plan: Plan) -> None:
    the(plan, "near", "east")["GeoProximityLocation"]["Bias"] = 100


@fault("geoproximity_fits")
def coordinates_too_fine(plan: Plan) -> None:
    the(plan, "near", "east")["GeoProximityLocation"]["Coordinates"]["Latitude"] = "39.043"


@fault("geoproximity_fits")
def coordinates_beyond_the_pole(plan: Plan) -> None:
    the(plan, "near", "east")["GeoProximityLocation"]["Coordinates"]["Latitude"] = "-91"


@fault("health_checks_are_there")
def a_health_check_that_is_gone(plan: Plan) -> None:
    del plan.health_checks["east"]


@fault("failover_has_one_primary")
def no_primary(plan: Plan) -> None:
    plan.layers[STEP] = {
        key: each for key, each in plan.layers[STEP].items() if each["SetIdentifier"] != "ready"
    }


@fault("failover_has_one_primary")
def two_primaries(plan: Plan) -> None:
    the(plan, "go", "alive")["Failover"] = "PRIMARY"


@fault("failover_has_one_primary")
def two_secondaries(plan: Plan) -> None:
    add(plan, STEP, like(the(plan, "go", "alive"), SetIdentifier="other"))


@fault("names_fit")
def a_label_of_64(plan: Plan) -> None:
    the(plan, "direct")["Name"] = f"{'a' * (LABEL_MAX + 1)}.example.org"


@fault("names_fit")
def a_name_of_255(plan: Plan) -> None:
    the(plan, "direct")["Name"] = ".".join(["a" * 60] * 4) + ".example.org"


@fault("names_fit")
def an_empty_label(plan: Plan) -> None:
    the(plan, "direct")["Name"] = "a..example.org"


@fault("names_fit")
def an_identifier_of_129(plan: Plan) -> None:
    the(plan, "near", "east")["SetIdentifier"] = "e" * (IDENTIFIER_MAX + 1)


@fault("the_zone_has_room")
def a_set_too_many(plan: Plan) -> None:
    direct = the(plan, "direct")
    extra = (like(direct, Name=f"n{at}.example.org") for at in range(ZONE_MAX))
    add(plan, LEAF, *extra)


@fault("each_name_has_room")
def the_hundred_and_first(plan: Plan) -> None:
    country = the(plan, "api", "DE")
    codes = [f"{one}{two}" for one in "ABCD" for two in string.ascii_uppercase]
    more = [code for code in codes if code != "DE"][: NAME_MAX_ELSE - 2]
    add(
        plan,
        HOST,
        *(
            like(country, SetIdentifier=f"of {code}", GeoLocation={"CountryCode": code})
            for code in more
        ),
    )


@fault("each_name_has_room")
def the_thirty_first_by_geoproximity(plan: Plan) -> None:
    near = the(plan, "near", "east")
    add(plan, LEAF, *(like(near, SetIdentifier=f"e{at}") for at in range(30)))


def a_healthy_zone_is_left_alone(_: Path) -> None:
    found = [f"{name}: {what}" for name, body in RULES.items() for what in body(healthy())]
    nothing(found, "faults in a healthy zone")


def finds(name: str, _: Path) -> None:
    """That a rule finds each of its faults, and that no other takes them for its own."""
    faults = {title: body for title, (breaks, body) in FAULTS.items() if breaks == name}
    expect(faults, f"a fault for {name}", "none")
    for title, body in faults.items():
        plan = healthy()
        body(plan)
        by = {other for other, each in RULES.items() if list(each(plan))}
        expect(by == {name}, f"{title} to be found by {name} alone", by or "nobody")


def requests_keep_their_limits(_: Path) -> None:
    small = like(the(healthy(), "direct"))
    many = {"ResourceRecords": [{"Value": f"192.0.2.{at}"} for at in range(200)]}
    long = {"ResourceRecords": [{"Value": "x" * 9000}]}
    for it, action, most in (
        (small, "CREATE", 1000),
        (small, "UPSERT", 500),
        (like(small, **many), "CREATE", 5),
        (like(small, **many), "UPSERT", 2),
        (like(small, **long), "CREATE", 3),
        (like(small, **long), "UPSERT", 1),
    ):
        changes = [Change(action, it)] * 2500
        made = list(batches(changes))
        expect(list(chain(*made)) == changes, "every change, in order", len(made))
        expect({len(each) for each in made[:-1]} == {most}, f"{most} in a request", len(made[0]))
        for batch in made:
            values, characters = map(sum, zip(*map(weight, batch), strict=True))
            expect(
                values <= VALUES_MAX and characters <= CHARACTERS_MAX,
                "a request that fits",
                (values, characters),
            )


def a_record_that_goes_too_early_is_seen(_: Path) -> None:
    for order in ((HOST, STEP, LEAF), (STEP, LEAF, HOST), (LEAF, HOST, STEP)):
        led, plan = Led(), healthy()
        try:
            for layer in order:
                for each in plan.layers[layer].values():
                    led.take(Change("CREATE", each))
        except AssertionError as error:
            expect("which is not there" in str(error), "what is missing", error)
        else:
            raise AssertionError(f"{order} was taken")


def keeps(plan: Callable[[], Plan], name: str, _: Path) -> None:
    nothing(list(RULES[name](plan())), "times broken")


def checks() -> list[Check]:
    return [
        Check("rules: a healthy zone is left alone", a_healthy_zone_is_left_alone),
        *(Check(f"rules: {name} finds its faults", partial(finds, name)) for name in RULES),
        Check("rules: requests keep their limits", requests_keep_their_limits),
        Check("rules: a target that comes too late is seen", a_record_that_goes_too_early_is_seen),
    ]
