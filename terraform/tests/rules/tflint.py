"""The rules of tflint's Terraform ruleset that modules of good repute are held to, by its names.

Each rule takes a module and yields what is wrong: the file, its line, and what to do about it.
https://github.com/terraform-linters/tflint-ruleset-terraform/tree/main/docs/rules
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from lark import Tree

from module import Block, Module, call, entries, literal, references

Wrong = tuple[Path, int, str]
Rule = Callable[[Module], Iterator[Wrong]]

SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAMED = ("resource", "data", "ephemeral", "module", "variable", "output", "check")
# Of these, Git shows another commit tomorrow.
DEFAULT_BRANCHES = ("master", "main", "default", "develop")
REPOSITORY = re.compile(r"(git::|hg::|git@|github\.com/|bitbucket\.org/)")
REGISTRY = re.compile(r"([\w.-]+\.[\w.-]+/)?[\w-]+/[\w-]+/[\w-]+(//.*)?")
# Part of Terraform itself.
BUILT_IN = "terraform"


def undocumented(module: Module, kind: str) -> Iterator[Wrong]:
    for block in module.of(kind):
        description = block.attributes.get("description")
        if description is None or (description.text is not None and not description.text.strip()):
            yield block.path, block.line, f"say what {kind} {block.name} is, in its description"


def documented_outputs(module: Module) -> Iterator[Wrong]:
    yield from undocumented(module, "output")


def documented_variables(module: Module) -> Iterator[Wrong]:
    yield from undocumented(module, "variable")


def typed_variables(module: Module) -> Iterator[Wrong]:
    for block in module.of("variable"):
        if "type" not in block.attributes:
            yield block.path, block.line, f"give variable {block.name} a type"


def module_pinned_source(module: Module) -> Iterator[Wrong]:
    for block in module.of("module"):
        wrong = unpinned(block)
        if wrong:
            yield block.path, block.attributes["source"].line, wrong


def unpinned(block: Block) -> str | None:
    source = block.text("source")
    if source is None or source.startswith(("./", "../")):
        return None
    if REPOSITORY.match(source):
        asked = parse_qs(urlsplit(source).query)
        revision = (asked.get("ref") or asked.get("rev") or [""])[0]
        if not revision or revision in DEFAULT_BRANCHES:
            return f"pin module {block.name} to a tag or a commit: ?ref=..."
        return None
    if REGISTRY.fullmatch(source):
        return None if is_pinned(block.text("version")) else f"pin module {block.name}: version"
    return f"module {block.name} cannot be pinned there; copy it into modules/, or use Git"


def is_pinned(version: str | None) -> bool:
    """Whether the version is exact, or may grow in its last part only."""
    # With one part alone, ~> lets every later version in.
    return bool(re.fullmatch(r"=? *\d+(\.\d+){2}|~> *\d+(\.\d+){1,2}", version or ""))


def naming_convention(module: Module) -> Iterator[Wrong]:
    for block in module.blocks:
        if block.kind in NAMED and not SNAKE_CASE.fullmatch(block.name):
            yield block.path, block.line, f"write {block.kind} {block.name} in snake_case"
    for path, local in module.locals():
        if not SNAKE_CASE.fullmatch(local.name):
            yield path, local.line, f"write local.{local.name} in snake_case"


def required_version(module: Module) -> Iterator[Wrong]:
    blocks = module.of("terraform")
    if not any("required_version" in block.attributes for block in blocks):
        path, line = (blocks[0].path, blocks[0].line) if blocks else (module.path / "main.tf", 1)
        yield path, line, "say with required_version which Terraform is meant"


def required_providers(module: Module) -> Iterator[Wrong]:
    required = {}
    for path, attribute in module.required_providers():
        parts = entries(attribute.value)
        required[attribute.name] = parts
        missing = [part for part in ("source", "version") if part not in parts]
        if literal(attribute.value) is not None:
            yield path, attribute.line, f"write {attribute.name} as {{ source, version }}"
        elif missing:
            yield path, attribute.line, f"add {' and '.join(missing)} to provider {attribute.name}"
    for block in module.of("provider"):
        if "version" in block.attributes:
            line = block.attributes["version"].line
            yield block.path, line, "move version to required_providers"
    for name, (path, line) in sorted(providers_used(module).items()):
        if name not in required and name != BUILT_IN:
            yield path, line, f"add provider {name} to required_providers"


def providers_used(module: Module) -> dict[str, tuple[Path, int]]:
    """Providers by their local names, and where each is used first."""
    used: dict[str, tuple[Path, int]] = {}
    for block in module.of("provider"):
        used.setdefault(block.name, (block.path, block.line))
    for block in module.provided:
        name = block.labels[0].partition("_")[0]
        if "provider" in block.attributes:
            name = next(references(block.attributes["provider"].value), (name,))[0]
        used.setdefault(name, (block.path, block.line))
    for block in module.of("module"):
        if "providers" in block.attributes:
            for words in references(block.attributes["providers"].value):
                used.setdefault(words[0], (block.path, block.line))
    for path, node in module.nodes("function_call"):
        function = call(node)[0].split("::")
        if function[0] == "provider":
            used.setdefault(function[1], (path, node.meta.line))
    return used


def standard_module_structure(module: Module) -> Iterator[Wrong]:
    names = {path.name for path in module.trees}
    if "main.tf" not in names:
        yield module.path / "main.tf", 1, "begin the module here: readers look for main.tf"
    for kind, name in (("variable", "variables.tf"), ("output", "outputs.tf")):
        blocks = module.of(kind)
        if name not in names and not blocks:
            yield module.path / name, 1, f"add the file, empty: it says that there is no {kind}"
        for block in blocks:
            if block.path.name != name:
                yield block.path, block.line, f"move {kind} {block.name} to {name}"


def unused_declarations(module: Module) -> Iterator[Wrong]:
    used = set()
    for top, block, attribute in module.expressions():
        for words in references(attribute.value):
            # A variable that only its own validation reads is of no use to anybody.
            if block.kind != "validation" or words[:2] != ("var", top.name):
                used.add(words[:3] if words[0] == "data" else words[:2])
    for block in module.of("variable"):
        if ("var", block.name) not in used:
            yield block.path, block.line, f"use variable {block.name}, or take it away"
    for path, local in module.locals():
        if ("local", local.name) not in used:
            yield path, local.line, f"use local.{local.name}, or take it away"
    for block in module.provided:
        if block.kind == "data" and ("data", *block.labels) not in used:
            yield block.path, block.line, f"use data.{'.'.join(block.labels)}, or take it away"
    for block in module.of("provider"):
        alias = block.text("alias")
        if alias and (block.name, alias) not in used:
            yield block.path, block.line, f"use provider {block.name}.{alias}, or take it away"


def deprecated_index(module: Module) -> Iterator[Wrong]:
    for path, node in module.nodes("short_index", "attr_splat"):
        instead = "[*]" if node.data == "attr_splat" else f"[{node.children[1]}]"
        yield path, node.meta.line, f"write {instead} instead of the dot"


def deprecated_interpolation(module: Module) -> Iterator[Wrong]:
    for path, node in module.nodes("string"):
        parts = [part.children[0] for part in node.children if isinstance(part, Tree)]
        if len(parts) == 1 and getattr(parts[0], "data", "") == "interpolation":
            yield path, node.meta.line, 'write the expression alone, without "${ and }"'


def comment_syntax(module: Module) -> Iterator[Wrong]:
    for path, line, comment in module.comments():
        if not comment.startswith("#"):
            yield path, line, f"begin the comment with # instead of {comment[:2]}"


def workspace_remote(module: Module) -> Iterator[Wrong]:
    # Stricter than tflint, which looks beside a remote backend alone: modules have no backend, and
    # a state here is known by its key.
    for _, block, attribute in module.expressions():
        if ("terraform", "workspace") in references(attribute.value):
            yield block.path, attribute.line, "ask a variable: terraform.workspace is `default`"


RULES: list[Rule] = [
    documented_outputs,
    documented_variables,
    typed_variables,
    module_pinned_source,
    naming_convention,
    required_version,
    required_providers,
    standard_module_structure,
    unused_declarations,
    deprecated_index,
    deprecated_interpolation,
    comment_syntax,
    workspace_remote,
]
