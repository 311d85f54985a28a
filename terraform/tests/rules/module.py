"""A module as rules see it: blocks, attributes and expressions, each with its line.

The library hcl2 parses; it is asked for the tree of the grammar, because what it makes of that
tree in the end has neither lines nor comments. Expressions stay parts of the tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import hcl2
from hcl2.postlexer import OPERATOR_TYPES
from lark import Token, Tree
from lark.exceptions import LarkError, UnexpectedInput

# Blocks that one provider or another answers for.
PROVIDED = ("resource", "data", "ephemeral")
# The grammar leaves the inside of a heredoc unread; what stands in its templates is found so.
HEREDOCS = ("HEREDOC_TEMPLATE", "HEREDOC_TEMPLATE_TRIM")
TEMPLATE = re.compile(r"(?<![$%])[$%]\{(.*?)\}", re.DOTALL)
DOTTED = re.compile(r"[a-zA-Z_][\w-]*(?:\.[a-zA-Z_][\w-]*)+")


class Unreadable(Exception):
    """A file that does not parse: nothing can be said of its module."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(why)
        self.path, self.line = path, line


@dataclass(frozen=True)
class Attribute:
    name: str
    line: int
    value: Tree

    @property
    def text(self) -> str | None:
        return literal(self.value)


@dataclass(frozen=True)
class Block:
    kind: str
    labels: tuple[str, ...]
    path: Path
    line: int
    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.labels[-1] if self.labels else ""

    def of(self, kind: str) -> list[Block]:
        return [block for block in self.blocks if block.kind == kind]

    def text(self, name: str) -> str | None:
        """The attribute's text; None where there is none, or where it is computed."""
        return self.attributes[name].text if name in self.attributes else None

    def everything(self) -> Iterator[Block]:
        yield self
        for block in self.blocks:
            yield from block.everything()


class Module:
    """The `*.tf` files of one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trees = {file: parsed(file) for file in sorted(path.glob("*.tf"))}

    @property
    def is_root(self) -> bool:
        """Whether Terraform is run here, rather than in what calls it."""
        return self.path.resolve().parent.name == "live"

    @cached_property
    def blocks(self) -> list[Block]:
        return [
            found for file, tree in self.trees.items() for found in body(tree.children[0], file)[1]
        ]

    def of(self, kind: str) -> list[Block]:
        return [block for block in self.blocks if block.kind == kind]

    @cached_property
    def provided(self) -> list[Block]:
        """Resources, data sources and ephemerals, and the data sources of checks."""
        inside = [block for check in self.of("check") for block in check.of("data")]
        return [block for block in self.blocks if block.kind in PROVIDED] + inside

    def locals(self) -> Iterator[tuple[Path, Attribute]]:
        for block in self.of("locals"):
            for attribute in block.attributes.values():
                yield block.path, attribute

    def required_providers(self) -> Iterator[tuple[Path, Attribute]]:
        for terraform in self.of("terraform"):
            for block in terraform.of("required_providers"):
                for attribute in block.attributes.values():
                    yield block.path, attribute

    def expressions(self) -> Iterator[tuple[Block, Block, Attribute]]:
        """Every attribute of every block, however deep: the block at the top, its own, and it."""
        for top in self.blocks:
            for block in top.everything():
                for attribute in block.attributes.values():
                    yield top, block, attribute

    def nodes(self, *names: str) -> Iterator[tuple[Path, Tree]]:
        """Every part of every file that the grammar calls by one of the names."""
        for file, tree in self.trees.items():
            for node in tree.iter_subtrees_topdown():
                if node.data in names:
                    yield file, node

    def comments(self) -> Iterator[tuple[Path, int, str]]:
        # The library hides a comment that stands before an operator in that operator.
        for file, tree in self.trees.items():
            for token in tree.scan_values(
                lambda it: it.type == "NL_OR_COMMENT" or it.type in OPERATOR_TYPES
            ):
                if token.lstrip().startswith(("#", "//", "/*")):
                    hidden = token.count("\n") if token.type in OPERATOR_TYPES else 0
                    yield file, token.line - hidden, token.strip()


def parsed(file: Path) -> Tree:
    try:
        return hcl2.parses_to_tree(file.read_text())
    except UnexpectedInput as error:
        raise Unreadable(file, max(error.line, 1), "does not parse; run terraform fmt") from error
    except LarkError as error:
        raise Unreadable(file, 1, f"does not parse: {error}") from error


def body(tree: Tree, file: Path) -> tuple[dict[str, Attribute], list[Block]]:
    attributes, blocks = {}, []
    for child in tree.children:
        if child.data == "attribute":
            name = str(child.children[0].children[0])
            attributes[name] = Attribute(name, child.meta.line, child.children[2])
        elif child.data == "block":
            *head, inner = [it for it in child.children if isinstance(it, Tree)]
            kind, *labels = [label(it) for it in head if it.data != "new_line_or_comment"]
            blocks.append(Block(kind, tuple(labels), file, child.meta.line, *body(inner, file)))
    return attributes, blocks


def label(tree: Tree) -> str:
    return literal(tree) or "" if tree.data == "string" else str(tree.children[0])


def bare(tree: Tree) -> Tree:
    """The expression without the parentheses around it."""
    while isinstance(tree, Tree) and tree.data == "expr_term":
        inner = [it for it in tree.children if isinstance(it, Tree)]
        inner = [it for it in inner if it.data != "new_line_or_comment"]
        if len(inner) != 1:
            break
        tree = inner[0]
    return tree


def literal(tree: Tree) -> str | None:
    """The text of a string that nothing is put into."""
    tree = bare(tree)
    if tree.data in ("heredoc_template", "heredoc_template_trim"):
        return "\n".join(str(tree.children[0]).split("\n")[1:-2])
    if tree.data != "string":
        return None
    pieces = [part.children[0] for part in tree.children if isinstance(part, Tree)]
    return "".join(pieces) if all(isinstance(it, Token) for it in pieces) else None


def entries(tree: Tree) -> dict[str, Tree]:
    """The elements of an object whose keys are plain words or strings."""
    found: dict[str, Tree] = {}
    tree = bare(tree)
    for element in tree.children if tree.data == "object" else []:
        if isinstance(element, Tree) and element.data == "object_elem":
            key = bare(element.children[0].children[0])
            found[label(key) if key.data in ("identifier", "string") else ""] = element.children[-1]
    return found


def call(tree: Tree) -> tuple[str, list[Tree]]:
    """Name and arguments, if the expression calls a function; else no name."""
    tree = bare(tree)
    if tree.data != "function_call":
        return "", []
    parts = [it for it in tree.children if isinstance(it, Tree)]
    name = "::".join(str(it.children[0]) for it in parts if it.data == "identifier")
    given = [it for part in parts if part.data == "arguments" for it in part.children]
    given = [it for it in given if isinstance(it, Tree) and it.data != "new_line_or_comment"]
    return name, given


def dotted(tree: Tree) -> tuple[str, ...]:
    """`a.b.c` as its words; empty for every other expression."""
    tree = bare(tree)
    if tree.data == "identifier":
        return (str(tree.children[0]),)
    if tree.data == "get_attr_expr_term":
        base, step = dotted(tree.children[0]), step_of(tree.children[1])
        return (*base, step) if base else ()
    return ()


def step_of(get_attr: Tree) -> str:
    return str(get_attr.children[1].children[0])


def references(tree: Tree | Token) -> Iterator[tuple[str, ...]]:
    """What an expression names, as long as words follow each other by dots."""
    if isinstance(tree, Token):
        if tree.type in HEREDOCS:
            for inside in TEMPLATE.findall(tree):
                yield from (tuple(it.split(".")) for it in DOTTED.findall(inside))
        return
    path = dotted(tree)
    if path:
        yield path
        return
    for child in tree.children:
        if child is not None:
            yield from references(child)
