"""The zone that regions/ asks for, made at Route 53, and the steps of a region's life in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import registry
import rules
from harness import Check, expect, nothing
from registry import DRAINED, DRAINING, HALF, MODES, SHIPPED, ZONE, Revision
from zone import (
    HOST,
    LAYERS,
    PLACE,
    LEAF,
    NOTHING,
    STEP,
    VALUES_MAX,
    Key,
    Plan,
    Zone,
    backwards,
    difference,
    key_of,
    stages,
    target_of,
    written,
)

US_EAST, TAG = "us-east", "use1"
READY = f"{US_EAST} ready"
ALIVE = f"{US_EAST} alive"


def stands(zone: Zone, plan: Plan) -> None:
    """That the service has what was asked for, and nothing else."""
    came = zone.read()
    expect(came == plan.by_key(), "the record sets asked for", difference(plan.by_key(), came))
    checks = zone.read_health_checks()
    expect(checks.keys() == plan.health_checks.keys(), "the health checks asked for", checks)
    for name, config in plan.health_checks.items():
        kept = {key: checks[name].get(key) for key in config}
        expect(kept == config, f"{name} as {config}", kept)


def made(plan: Plan) -> Zone:
    zone = Zone(ZONE)
    zone.move(NOTHING, plan)
    stands(zone, plan)
    return zone


def everything_is_made_and_read_back(mode: str, _: Path) -> None:
    plan = registry.plan(SHIPPED, mode)
    zone = made(plan)
    expect(max(zone.requests) <= VALUES_MAX, "requests that fit", zone.requests)
    expect(len(zone.led.sets) == len(plan.sets()), f"{len(plan.sets())} sets", len(zone.led.sets))


def everything_goes_again(mode: str, _: Path) -> None:
    plan = registry.plan(SHIPPED, mode)
    zone = made(plan)
    zone.move(plan, NOTHING)
    stands(zone, NOTHING)


def changed(before: Plan, after: Plan) -> dict[str, set[Key]]:
    """The keys of what comes, goes and becomes another."""
    old, new = before.by_key(), after.by_key()
    return {
        "come": set(new.keys() - old.keys()),
        "go": set(old.keys() - new.keys()),
        "turn": {key for key in old.keys() & new.keys() if old[key] != new[key]},
    }


def checks_changed(before: Plan, after: Plan) -> dict[str, object]:
    """For each health check that comes, goes or changes, what of it."""
    old, new = before.health_checks, after.health_checks
    found: dict[str, object] = {}
    for name in old.keys() | new.keys():
        if name not in old or name not in new:
            found[name] = "comes" if name in new else "goes"
        elif old[name] != new[name]:
            found[name] = {key: each for key, each in new[name].items() if old[name][key] != each}
    return found


def moved(before: Revision, after: Revision, mode: str) -> tuple[Plan, Plan]:
    """Takes a zone from one revision to the next; the plans of both."""
    old, new = registry.plan(before, mode), registry.plan(after, mode)
    zone = made(old)
    zone.move(old, new)
    stands(zone, new)
    return old, new


def draining_changes_one_health_check(mode: str, _: Path) -> None:
    old, new = moved(SHIPPED, DRAINING, mode)
    sick = {READY: {"Disabled": True, "Inverted": True}}
    expect(checks_changed(old, new) == sick, "a check turned around", checks_changed(old, new))
    expect(not any(changed(old, new).values()), "no record set changed", changed(old, new))


def coming_back_is_draining_undone(mode: str, _: Path) -> None:
    old, new = moved(DRAINING, SHIPPED, mode)
    well = {READY: {"Disabled": False, "Inverted": False}}
    expect(checks_changed(old, new) == well, "a check turned around", checks_changed(old, new))
    expect(not any(changed(old, new).values()), "no record set changed", changed(old, new))


def half_the_weight_turns_its_steps(mode: str, _: Path) -> None:
    old, new = moved(SHIPPED, HALF, mode)
    found = changed(old, new)
    expect(not found["come"] and not found["go"], "nothing to come or go", found)
    expect(not checks_changed(old, new), "no health check changed", checks_changed(old, new))
    was, is_ = old.by_key(), new.by_key()
    wrong = [
        written(key)
        for key in found["turn"]
        if {**was[key], "Weight": 50} != is_[key] or not is_a_step_of(TAG, key)
    ]
    nothing(wrong, f"sets turned that are no weight of {US_EAST}")
    steps = {key for key in was if is_a_step_of(TAG, key)}
    expect(found["turn"] == steps, f"{len(steps)} steps turned", len(found["turn"]))


def chain_of(name: str) -> list[str]:
    """The tags of a chain's regions, in order; empty for a name that is no chain's."""
    labels = name.split(".")
    return labels[1].split("-") if labels[2:3] == ["steer"] else []


def is_a_step_of(tag: str, key: Key) -> bool:
    """Whether a set has the weight of a region, or what it leaves to others."""
    name, _, _ = key
    chain, step = chain_of(name), name.split(".")[0]
    if not chain or not step.startswith("r"):
        return False
    at = int(step[1:])
    # The last has nobody to pass on to, and the weight it has all the same.
    return chain[at] == tag


def gone(mode: str, old: Plan, new: Plan) -> None:
    """That exactly one region has gone from between two plans, and nothing else has changed."""
    came = checks_changed(old, new)
    expect(came == {READY: "goes", ALIVE: "goes"}, "two health checks less", came)
    (exactly_without if mode == "exact" else natively_without)(old, new)


def natively_without(old: Plan, new: Plan) -> None:
    found = changed(old, new)
    expect(not found["come"] and not found["turn"], "sets to go alone", found)
    of_it = {
        key
        for key, each in old.by_key().items()
        if each.get("GeoProximityLocation") and each["SetIdentifier"] == US_EAST
    }
    expect(of_it and found["go"] == of_it, f"its {len(of_it)} sets to go", found["go"])


def exactly_without(old: Plan, new: Plan) -> None:
    found, was, is_ = changed(old, new), old.by_key(), new.by_key()
    chains = {tuple(chain_of(name)) for name, _, _ in was if chain_of(name)}
    left = {tuple(tag for tag in chain if tag != TAG) for chain in chains}
    strange = [written(key) for key in found["go"] if TAG not in chain_of(key[0])]
    strange += [written(key) for key in found["come"] if tuple(chain_of(key[0])) not in left]
    strange += [written(key) for key in is_ if TAG in chain_of(key[0])]
    nothing(strange, "sets that have nothing to do with it")
    # Everybody keeps the order of before, without the one.
    hosts = {
        key_of(each): each
        for layer in (PLACE, HOST)
        for each in old.layers[layer].values()
        if chain_of(target_of(each)[0])
    }
    for key, each in hosts.items():
        (name, _), (then, _) = target_of(each), target_of(is_[key])
        order = [tag for tag in chain_of(name) if tag != TAG]
        expect(chain_of(then) == order, f"{written(key)} to go on to {order}", then)
        is_same = {**each, "AliasTarget": None} == {**is_[key], "AliasTarget": None}
        expect(is_same, f"nothing else of {written(key)} changed", is_[key])
    turned = {key for key, each in hosts.items() if TAG in chain_of(target_of(each)[0])}
    expect(found["turn"] == turned, f"{len(turned)} hosts turned", len(found["turn"]))
    direct = (f"{US_EAST}.api.{ZONE}", "A", None)
    expect(was[direct] == is_[direct], "its own name to stay", is_.get(direct))


def a_drained_region_goes_from_every_chain(mode: str, _: Path) -> None:
    gone(mode, *moved(DRAINING, DRAINED, mode))


def a_region_comes_into_every_chain(mode: str, _: Path) -> None:
    """Who joins has no part in the zone, the same as who is drained."""
    joining = registry.plan(Revision("joining"), mode)
    drained = registry.plan(DRAINED, mode)
    expect(
        joining == drained,
        "joining to be as drained",
        difference(drained.by_key(), joining.by_key()),
    )
    old, new = moved(Revision("joining"), SHIPPED, mode)
    gone(mode, new, old)


def a_health_check_that_is_gone_is_seen(_: Path) -> None:
    zone = made(registry.plan(SHIPPED, "native"))
    zone.client.delete_health_check(HealthCheckId=zone.ids.pop(READY))
    try:
        zone.look()
    except AssertionError as error:
        expect("lack their health check" in str(error), "a set without its check", error)
    else:
        raise AssertionError("wanted a complaint about a health check; came none")


def the_other_order_leads_to_nothing(_: Path) -> None:
    """What goes first leaves hosts that lead to nothing: this is seen."""
    old, new = registry.plan(DRAINING, "exact"), registry.plan(DRAINED, "exact")
    zone = made(old)
    try:
        zone.move(old, new, backwards)
    except AssertionError as error:
        expect("an alias leads to" in str(error), "an alias that leads to nothing", error)
    else:
        raise AssertionError("wanted a complaint about an alias; came none")


def the_other_mode_does_not_follow_in_place(_: Path) -> None:
    """What answers in a mode shares its names with what answers in the other: this is seen."""
    for before, after in (MODES, MODES[::-1]):
        old, new = registry.plan(SHIPPED, before), registry.plan(SHIPPED, after)
        zone = made(old)
        try:
            zone.move(old, new)
        except AssertionError as error:
            expect("Route 53 refuses Geo" in str(error), "one policy beside another", error)
        else:
            raise AssertionError(f"wanted a complaint, from {before} to {after}; came none")


def every_layer_is_touched(_: Path) -> None:
    """That a step of life tries every kind of stage, so that the order is looked at as a whole."""
    old, new = registry.plan(DRAINING, "exact"), registry.plan(DRAINED, "exact")
    found = [
        (change.action, layer)
        for stage in stages(old, new)
        for change in stage[:1]
        for layer in LAYERS
        if any(
            change.record_set is each for plan in (old, new) for each in plan.layers[layer].values()
        )
    ]
    order = [
        ("CREATE", LEAF),
        ("CREATE", STEP),
        ("UPSERT", PLACE),
        ("UPSERT", HOST),
        ("DELETE", STEP),
        ("DELETE", LEAF),
    ]
    expect(found == order, f"stages in the order {order}", found)


def checks() -> list[Check]:
    def shipped(mode: str) -> Plan:
        return registry.plan(SHIPPED, mode)

    found: list[Check] = []
    for mode in MODES:
        for name in rules.RULES:
            kept = partial(rules.keeps, partial(shipped, mode), name)
            found.append(Check(f"{mode}: {name}", kept))
        for body in (
            everything_is_made_and_read_back,
            draining_changes_one_health_check,
            coming_back_is_draining_undone,
            half_the_weight_turns_its_steps,
            a_drained_region_goes_from_every_chain,
            a_region_comes_into_every_chain,
            everything_goes_again,
        ):
            name = body.__name__.replace("_", " ")
            found.append(Check(f"{mode}: {name}", partial(body, mode)))
    return [
        *found,
        Check(
            "both: the other mode does not follow in place", the_other_mode_does_not_follow_in_place
        ),
        Check("exact: every layer is touched", every_layer_is_touched),
        Check("native: a health check that is gone is seen", a_health_check_that_is_gone_is_seen),
        Check("exact: the other order leads to nothing", the_other_order_leads_to_nothing),
    ]
