"""Makes the schemas of providers out of what was generated from them.

The packages named `cdktn-provider-*` carry one TypeScript file for each type of resource, with its
attributes, their types, which of them are required, optional or computed, and which are blocks:
all that Terraform asks a provider for before it plans. CockroachDB has no such package: its few
types are written down in `cockroach.json`. What neither says is in `facts.json`.

    schema.py OUT PACKAGE...    PACKAGE: a wheel of cdktn-provider-*, or a .json like cockroach.json

writes, for each provider, OUT/NAME.schema, the answer to Terraform's question as it goes over the
wire, and OUT/NAME.index, where each type lies in it, so that a provider reads only what it needs.
Prints a line `NAMESPACE/NAME VERSION` for each.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import plugin_pb2 as wire

HERE = Path(__file__).parent
KINDS = {"Resource": "resources", "DataSource": "data_sources", "EphemeralResource": "ephemerals"}
# How often a block may lie in one of its own kind.
DEPTH_MAX = 2

# What a file of TypeScript consists of.
PIECE = re.compile(r"^export (interface|class|function) (\w+)(.*?)^}", re.M | re.S)
MAIN = re.compile(r"^export class (\w+) extends cdktn\.Terraform(\w+) {", re.M)
VERSION = re.compile(r"providerVersion: '([^']+)'")
TYPE_NAME = re.compile(r"tfResourceType = \"(\w+)\"")
# A member of a class, how it holds others, and how it is read.
MEMBER = re.compile(
    r"^  // (\w+) - computed: (\w+), optional: (\w+), required: (\w+)\n"
    r"(.*?)(?=^  // \w+ - computed|\Z)",
    re.M | re.S,
)
HOLDER = re.compile(
    r"= new (?:\w+\.)?(\w+?)(List|Map|OutputReference)\(this, \"\w+\"(?:, (\w+))?\)"
)
GETTER = re.compile(r"get(Any|String|Number|Boolean)?(List|NumberList|Map)?Attribute\(")
# A member that may be set, as it is written out.
SETTABLE = re.compile(
    r"^ +(\w+): {\n +value: .*\n +isBlock: \w+,\n"
    r" +type: \"(\w+)\",\n +storageClassType: \"(\w+)\"",
    re.M,
)
# A member of an interface, and the sentence that tells a block.
FIELD = re.compile(r"#(\w+) [^\n]*\n +\*/\n +readonly \w+(\??): ([^\n]*);$", re.M)
BLOCK = re.compile(r"^ +\* (\w+) block$", re.M)


class Shape(NamedTuple):
    """What a member holds."""

    # A type as Terraform's JSON has it, or the name of the structure inside.
    type: Any
    # Of a structure inside: list, set, map or single.
    nesting: str = ""
    # Of a list or a set: there is one at most.
    one: bool = False


class Member(NamedTuple):
    """An attribute or a block of a structure, as the TypeScript tells it."""

    name: str
    computed: bool
    optional: bool
    required: bool
    write_only: bool
    is_block: bool
    shape: Shape


def sources(wheel: str) -> dict[str, str]:
    """The TypeScript of each folder of a wheel: it is kept whole in the source maps."""
    with zipfile.ZipFile(wheel) as outer:
        archive = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        packed = io.BytesIO(outer.read(archive))
    folders: dict[str, list[str]] = {}
    with tarfile.open(fileobj=packed) as inner:
        for entry in inner:
            parts = entry.name.split("/")
            if len(parts) < 4 or parts[1] != "lib" or not entry.name.endswith(".js"):
                continue
            text = inner.extractfile(entry).read()
            _, found, encoded = text.rpartition(b"sourceMappingURL=data:application/json;base64,")
            if found:
                source = json.loads(base64.b64decode(encoded))["sourcesContent"][0]
                folders.setdefault(parts[2], []).append(source)
    return {name: "\n".join(texts) for name, texts in sorted(folders.items())}


class Folder:
    """One type of resource, or the provider itself, and the structures inside it."""

    def __init__(self, text: str) -> None:
        self.main, self.kind = MAIN.search(text).groups()
        self.text = text
        self.interfaces: dict[str, str] = {}
        self.classes: dict[str, str] = {}
        self.functions: dict[str, str] = {}
        kinds = {"interface": self.interfaces, "class": self.classes, "function": self.functions}
        for kind, name, body in PIECE.findall(text):
            kinds[kind][name] = body

    def settable(self, structure: str) -> dict[str, tuple[str, str]]:
        """How each member that may be set is written out: (type, storage) by its name."""
        function = self.functions.get(structure[0].lower() + structure[1:] + "ToHclTerraform")
        found = SETTABLE.findall(function or self.classes.get(structure, ""))
        return {name: (kind, storage) for name, kind, storage in found}

    def members(self, structure: str) -> Iterator[Member]:
        """The members of a structure."""
        body = self.classes.get(structure + "OutputReference") or self.classes.get(structure)
        interface = self.interfaces.get(structure) or self.interfaces.get(structure + "Config", "")
        blocks = set(BLOCK.findall(interface))
        settable = self.settable(structure)
        if body and not body.startswith(" extends cdktn.TerraformProvider "):
            for name, computed, optional, required, rest in MEMBER.findall(body):
                flags = [flag == "true" for flag in (computed, optional, required)]
                shape = shape_of(rest, settable.get(name))
                yield Member(name, *flags, "Write-only:" in rest, name in blocks, shape)
            return
        # A provider computes nothing, and is an interface only.
        for name, mark, written in FIELD.findall(interface):
            if (structure, name) != (self.main, "alias"):
                shape = shape_of_field(written, settable[name])
                yield Member(name, False, bool(mark), not mark, False, name in blocks, shape)


def shape_of(text: str, settable: tuple[str, str] | None) -> Shape:
    """The shape of a member of a class, from how it is stored and read."""
    held = HOLDER.search(text)
    if held and held[1] in ("String", "Number", "Boolean"):
        return Shape(["map", word_of(held[1])])
    if held:
        structure, holder, is_set = held.groups()
        if holder == "OutputReference":
            kind = settable[0] if settable else "struct"
            return Shape(structure, "single" if kind == "struct" else kind, kind != "struct")
        return Shape(structure, "map" if holder == "Map" else "set" if is_set == "true" else "list")
    if settable:
        return Shape(leaf(*settable))
    getter = GETTER.search(text)
    if not getter:
        return Shape("dynamic")
    word, holder = word_of(getter[1] or "String"), getter[2]
    if not holder or word == "dynamic":
        return Shape(word)
    if holder == "Map":
        return Shape(["map", word])
    word = "number" if holder == "NumberList" else word
    return Shape(["set" if "tolist(" in text else "list", word])


def shape_of_field(written: str, settable: tuple[str, str]) -> Shape:
    """The shape of a member of an interface, from its type in TypeScript."""
    kind, _ = settable
    structure = re.match(r"[A-Z]\w+", written)
    if not structure:
        return Shape(leaf(*settable))
    if kind == "struct":
        return Shape(structure[0], "single")
    return Shape(structure[0], kind, not written.startswith(structure[0] + "[]"))


def word_of(name: str) -> str:
    return {"Any": "dynamic", "Boolean": "bool"}.get(name, name.lower())


def leaf(kind: str, storage: str) -> Any:
    """The type of an attribute from how it is written out: `set` and `stringList`."""
    if storage in ("any", "anyMap"):
        return "dynamic"
    made: Any = word_of(re.match(r"string|number|boolean", storage)[0].capitalize())
    holders = re.findall(r"List|Map", storage)
    for at, holder in enumerate(holders, 1):
        made = ["set" if kind == "set" and at == len(holders) else holder.lower(), made]
    return made


class Maker:
    """Turns the folders of one provider into messages."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.has_nested = facts.get("nested_attributes", False)
        self.sensitive = set(facts.get("sensitive", []))
        # The packages break off where a block is too deep. Another block may be the same.
        self.same_as: dict[str, str] = facts.get("same_block", {})
        self.broken_off: dict[str, wire.Block] = {}
        self.whole: dict[str, wire.Block] = {}

    def fill(
        self,
        block: wire.Block,
        folder: Folder,
        structure: str,
        path: str,
        around: tuple[str, ...] = (),
    ) -> None:
        """Fills the block of a structure; path is where it is, for the facts."""
        # An empty block is not the same as none.
        block.SetInParent()
        for member in folder.members(structure):
            here, shape = f"{path}.{member.name}", member.shape
            if not member.is_block:
                self.fill_attribute(block.attributes.add(), folder, member, here)
            elif not shape.nesting:
                made = block.blocks.add(name=member.name, nesting=wire.LIST).block
                made.SetInParent()
                self.broken_off[here] = made
            elif around.count(shape.type) < DEPTH_MAX:
                least = int(member.required and shape.nesting != "map")
                made = block.blocks.add(
                    name=member.name,
                    nesting=wire.Nesting.Value(shape.nesting.upper()),
                    items_min=least,
                    items_max=least if shape.nesting == "single" else int(shape.one),
                ).block
                self.whole[here] = made
                self.fill(made, folder, shape.type, here, (*around, shape.type))

    def fill_attribute(
        self, attribute: wire.Attribute, folder: Folder, member: Member, path: str
    ) -> None:
        attribute.name = member.name
        attribute.required, attribute.optional = member.required, member.optional
        attribute.computed, attribute.write_only = member.computed, member.write_only
        attribute.sensitive = path in self.sensitive
        if member.shape.nesting and self.has_nested:
            attribute.nested.nesting = wire.Nesting.Value(member.shape.nesting.upper())
            for inner in folder.members(member.shape.type):
                inside = f"{path}.{inner.name}"
                self.fill_attribute(attribute.nested.attributes.add(), folder, inner, inside)
        else:
            attribute.type = json.dumps(type_of(folder, member.shape)).encode()

    def mend(self) -> None:
        """Fills the blocks that are broken off, where another is the same."""
        for here, there in self.same_as.items():
            self.broken_off[here].CopyFrom(self.whole[there])


def type_of(folder: Folder, shape: Shape) -> Any:
    """The type of an attribute, also of one that is a list of objects."""
    if not shape.nesting:
        return shape.type
    inner = {each.name: type_of(folder, each.shape) for each in folder.members(shape.type)}
    return ["object", inner] if shape.nesting == "single" else [shape.nesting, ["object", inner]]


class Made(NamedTuple):
    """A provider and what it knows."""

    namespace: str
    name: str
    version: str
    schemas: wire.Schemas


def from_wheel(wheel: str, facts: dict[str, Any]) -> Made:
    """A provider that has a package."""
    name = re.match(r"cdktn_provider_(\w+)-", Path(wheel).name)[1]
    maker, schemas, version = Maker(facts.get(name, {})), wire.Schemas(), ""
    for text in sources(wheel).values():
        if not MAIN.search(text):
            continue
        folder = Folder(text)
        version = version or VERSION.search(text)[1]
        if folder.kind == "Provider":
            maker.fill(schemas.provider.block, folder, folder.main, name)
        else:
            type_name = TYPE_NAME.search(text)[1]
            block = getattr(schemas, KINDS[folder.kind])[type_name].block
            maker.fill(block, folder, folder.main, type_name)
    maker.mend()
    return Made("hashicorp", name, version, schemas)


def from_json(path: str) -> Made:
    """A provider whose types are written down."""
    written = json.loads(Path(path).read_text())
    schemas = wire.Schemas()
    fill_written(schemas.provider.block, written["provider"])
    for kind in KINDS.values():
        for type_name, attributes in written.get(kind, {}).items():
            fill_written(getattr(schemas, kind)[type_name].block, attributes)
    return Made(written["namespace"], written["name"], written["version"], schemas)


def fill_written(holder: wire.Block | wire.Nested, attributes: dict[str, Any]) -> None:
    """Fills attributes: `required string`, or {"is": .., "attributes": ..} if one holds others."""
    for name, written in attributes.items():
        attribute = holder.attributes.add(name=name)
        *flags, word = (written if isinstance(written, str) else written["is"]).split()
        for flag in flags:
            setattr(attribute, flag, True)
        if isinstance(written, str):
            *holders, made = word.split(":")
            for each in reversed(holders):
                made = [each, made]
            attribute.type = json.dumps(made).encode()
        else:
            attribute.nested.nesting = wire.Nesting.Value(word.upper())
            fill_written(attribute.nested, written["attributes"])


def keep(schemas: wire.Schemas, stem: Path) -> None:
    """Writes the answer piece by piece: messages one after another are read as one message."""
    pieces = [("provider", "", wire.Schemas(provider=schemas.provider))]
    for kind in KINDS.values():
        for name, schema in sorted(getattr(schemas, kind).items()):
            pieces.append((kind, name, wire.Schemas(**{kind: {name: schema}})))
    capabilities = wire.Capabilities(schema_optional=True)
    pieces.append(("capabilities", "", wire.Schemas(capabilities=capabilities)))
    index: dict[str, dict[str, list[int]]] = {}
    with stem.with_suffix(".schema").open("wb") as out:
        for kind, name, message in pieces:
            at = out.tell()
            index.setdefault(kind, {})[name] = [at, out.write(message.SerializeToString())]
    stem.with_suffix(".index").write_text(json.dumps(index))


def main(out: str, *packages: str) -> None:
    facts = json.loads((HERE / "facts.json").read_text())
    for package in packages:
        is_json = package.endswith(".json")
        made = from_json(package) if is_json else from_wheel(package, facts)
        keep(made.schemas, Path(out) / made.name)
        print(f"{made.namespace}/{made.name} {made.version}")


if __name__ == "__main__":
    main(*sys.argv[1:])
