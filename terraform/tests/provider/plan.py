"""What a provider makes of a state that Terraform proposes.

Pure: values in, values out. A value is what msgpack makes of it; an unknown one is an extension of
msgpack's. Nothing here knows a provider; what a cloud would have answered comes from `cloud.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

import msgpack
import plugin_pb2 as wire

Value = Any
State = dict[str, Value]

UNKNOWN = msgpack.ExtType(0, b"\0")


class Answers(Protocol):
    """Who knows what is unknown of a resource."""

    def of(self, name: str, type_: Any, optional: bool) -> Value:
        """The value of an attribute."""

    def within(self, state: State) -> Answers:
        """Who knows what is unknown of a structure inside."""


def is_unknown(value: Value) -> bool:
    return isinstance(value, msgpack.ExtType)


def is_whole(value: Value) -> bool:
    """Whether nothing in a value is unknown."""
    if isinstance(value, dict):
        return all(is_whole(each) for each in value.values())
    if isinstance(value, list):
        return all(is_whole(each) for each in value)
    return not is_unknown(value)


def each_inside(value: Value, nesting: int, change: Callable[[State], State]) -> Value:
    """The value of a block or a nested attribute, with each structure in it changed."""
    if value is None or is_unknown(value):
        return value
    if nesting == wire.SINGLE:
        return change(value)
    if nesting == wire.MAP:
        return {key: change(each) for key, each in value.items()}
    return [change(each) for each in value]


def structures(value: Value, nesting: int) -> list[State]:
    """The structures in the value of a block."""
    if value is None or is_unknown(value):
        return []
    if nesting == wire.SINGLE:
        return [value]
    return list(value.values()) if nesting == wire.MAP else value


def remember(block: wire.Block, proposed: State, prior: State) -> State:
    """The proposed state with what the cloud has computed before in the blocks of sets.

    Terraform does so for all else; in a set it does not always find which of the blocks was which.
    """
    remembered = dict(proposed)
    for kind in block.blocks:
        now, before = (structures(each[kind.name], kind.nesting) for each in (proposed, prior))
        if kind.nesting == wire.SET and now:
            same = [[old for old in before if agree(kind.block, new, old)] for new in now]
            remembered[kind.name] = [old[0] if old else new for old, new in zip(same, now)]
        elif kind.nesting == wire.LIST and now:
            known = [remember(kind.block, new, old) for new, old in zip(now, before)]
            remembered[kind.name] = known + now[len(known) :]
    return remembered


def agree(block: wire.Block, new: State, old: State) -> bool:
    """Whether two structures differ only in what the cloud has computed."""
    if not is_whole(new):
        return False
    for attribute in block.attributes:
        is_open = attribute.computed and new[attribute.name] is None
        if not is_open and new[attribute.name] != old[attribute.name]:
            return False
    for kind in block.blocks:
        now, before = (structures(each[kind.name], kind.nesting) for each in (new, old))
        if len(now) != len(before):
            return False
        if not all(agree(kind.block, *pair) for pair in zip(now, before)):
            return False
    return True


def mark(block: wire.Block | wire.Nested, state: State) -> State:
    """The state with what the cloud will compute marked as unknown, and nothing write-only."""
    marked = dict(state)
    for attribute in block.attributes:
        name, nested = attribute.name, attribute.nested
        if attribute.write_only:
            marked[name] = None
        elif marked[name] is None and attribute.computed:
            marked[name] = UNKNOWN
        elif attribute.HasField("nested"):
            marked[name] = each_inside(marked[name], nested.nesting, partial(mark, nested))
    for kind in blocks_of(block):
        marked[kind.name] = each_inside(marked[kind.name], kind.nesting, partial(mark, kind.block))
    return marked


def settle(answers: Answers, block: wire.Block | wire.Nested, state: State) -> State:
    """The state with an answer for each unknown."""

    def inside(holder: wire.Block | wire.Nested, each: State) -> State:
        return settle(answers.within(each), holder, each)

    settled = dict(state)
    for attribute in block.attributes:
        name, nested = attribute.name, attribute.nested
        if attribute.HasField("nested") and not is_unknown(settled[name]):
            change = partial(inside, nested)
            settled[name] = each_inside(settled[name], nested.nesting, change)
        elif not is_whole(settled[name]):
            of = partial(answers.of, optional=attribute.optional)
            settled[name] = settle_type(of, name, type_of(attribute), settled[name])
    for kind in blocks_of(block):
        change = partial(inside, kind.block)
        settled[kind.name] = each_inside(settled[kind.name], kind.nesting, change)
    return settled


def settle_type(of: Callable[..., Value], name: str, type_: Any, value: Value) -> Value:
    """A value with an answer for each unknown, where only its type is known."""
    if is_unknown(value):
        return of(name, type_)
    if isinstance(value, list) and type_[0] in ("list", "set"):
        return [settle_type(of, name, type_[1], each) for each in value]
    if isinstance(value, dict):
        inner = type_[1]
        types = inner if type_[0] == "object" else dict.fromkeys(value, inner)
        return {key: settle_type(of, key, types[key], each) for key, each in value.items()}
    return value


def type_of(attribute: wire.Attribute) -> Any:
    """The type of an attribute, also of one that holds attributes."""
    if not attribute.HasField("nested"):
        return json.loads(attribute.type)
    made = ["object", {each.name: type_of(each) for each in attribute.nested.attributes}]
    nesting = attribute.nested.nesting
    return made if nesting == wire.SINGLE else [wire.Nesting.Name(nesting).lower(), made]


def blocks_of(holder: wire.Block | wire.Nested) -> Iterable[wire.BlockType]:
    return holder.blocks if isinstance(holder, wire.Block) else ()
