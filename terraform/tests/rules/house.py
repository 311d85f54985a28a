"""Our own rules: what lets one module serve every region, and two applies do the same.

Like tflint.py, each takes a module and yields what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from lark import Tree

from module import PROVIDED, Module, bare, call, dotted, entries, literal
from tflint import Rule, Wrong, is_pinned

# What AWS has once for the whole world, so that the provider takes no region for it. A type is
# added here when a module begins to use it, after a look at its documentation.
GLOBAL = (
    "aws_caller_identity",
    "aws_cloudfront_cache_policy",
    "aws_cloudfront_distribution",
    "aws_cloudfront_origin_request_policy",
    "aws_iam_openid_connect_provider",
    "aws_iam_role",
    "aws_iam_role_policy",
    "aws_iam_role_policy_attachment",
    "aws_networkmanager_vpc_attachment",
    "aws_route53_health_check",
    "aws_route53_record",
    "aws_route53_zone",
)


def provider_blocks(module: Module) -> Iterator[Wrong]:
    # Terraform calls no module with for_each that brings its own provider, nor can it end one.
    for block in [] if module.is_root else module.of("provider"):
        yield block.path, block.line, f"move provider {block.name} to the root that calls this"


def provider_versions(module: Module) -> Iterator[Wrong]:
    for path, attribute in module.required_providers():
        version = entries(attribute.value).get("version", attribute.value)
        # A missing version is for required_providers to say.
        if literal(version) is not None and not is_pinned(literal(version)):
            yield path, attribute.line, f"pin provider {attribute.name}: ~> 1.2, ~> 1.2.3 or 1.2.3"


def explicit_region(module: Module) -> Iterator[Wrong]:
    # Without it the provider's own region steps in, silently: data would lie under another law.
    for block in module.provided:
        kind = block.labels[0]
        if kind.startswith("aws_") and kind not in GLOBAL and "region" not in block.attributes:
            yield block.path, block.line, f"say the region of {kind}.{block.name}"


def count_over_list(module: Module) -> Iterator[Wrong]:
    # Whoever takes one out of the middle destroys all that follow.
    own = {block.labels for block in module.provided if block.kind in PROVIDED}
    for block in module.blocks:
        count = block.attributes.get("count")
        if count and any(not is_counted(it, own) for it in lengths(count.value)):
            yield block.path, count.line, "use for_each with keys that stay, not count"


def lengths(value: Tree) -> Iterator[Tree]:
    """Of what the number is the length; a length that is only compared decides nothing here."""
    tree = bare(value)
    name, given = call(tree)
    if name == "length":
        yield given[0]
    elif tree.data == "conditional":
        parts = [it for it in tree.children if isinstance(it, Tree)]
        parts = [it for it in parts if it.data != "new_line_or_comment"]
        for part in parts[1:]:
            yield from lengths(part)
    elif name or tree.data in ("binary_op", "binary_term"):
        for part in given or tree.children:
            yield from lengths(part) if isinstance(part, Tree) else ()


def is_counted(tree: Tree, own: set[tuple[str, ...]]) -> bool:
    """Whether these are a resource's instances, whose own count has been looked at."""
    return dotted(tree) in own


def readme(module: Module) -> Iterator[Wrong]:
    path = module.path / "README.md"
    if not path.is_file() or not path.read_text().strip():
        yield path, 1, "say what the module makes, and what is lost when it fails"


RULES: list[Rule] = [provider_blocks, provider_versions, explicit_region, count_over_list, readme]
