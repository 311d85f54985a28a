"""What checkov's answers come to.

    verdict.py PLANS RESULTS

Both folders hold a file for every plan: the plan, and what checkov said of it. The plan called
`bad` holds a module for every policy of ours; the others are what Terraform would make.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).resolve().parent
BAD = "bad"
INDEX = re.compile(r"\[[^\]]*\]")


class Said(NamedTuple):
    """A check's word on a resource."""

    check: str
    name: str
    resource: str
    passed: bool


def said(path: Path) -> list[Said]:
    report = json.loads(path.read_text())
    if "results" not in report or report["summary"]["parsing_errors"]:
        raise SystemExit(f"{path.stem}: checkov understood nothing of the plan: {report}")
    return [
        Said(it["check_id"], it["check_name"], it["resource"], kind == "passed_checks")
        for kind in ("passed_checks", "failed_checks")
        for it in report["results"][kind]
    ]


def policies() -> dict[str, str]:
    """The identifiers of our own policies, by the names of their files."""
    files = [path for path in HERE.glob("*.yaml") if path.name != "skips.yaml"]
    return {path.stem: yaml.safe_load(path.read_text())["metadata"]["id"] for path in files}


class Verdict:
    def __init__(self) -> None:
        self.passed = self.failed = 0

    def on(self, what: str, wrong: list[str]) -> None:
        """One thing is as it should be, or wrong in these places."""
        self.passed += not wrong
        self.failed += bool(wrong)
        for each in sorted(wrong):
            print(f"{what}: {each}")


def judge_plan(verdict: Verdict, plan: str, answers: list[Said], skips: dict[str, str]) -> None:
    by_check = defaultdict(list)
    for it in answers:
        by_check[it.check].append(it)
    for check, them in sorted(by_check.items()):
        if check not in skips:
            wrong = [it.resource for it in them if not it.passed]
            verdict.on(f"{plan}: {check}: {them[0].name}", wrong)


def judge_policy(verdict: Verdict, name: str, check: str, answers: list[Said]) -> None:
    """Whether a policy tells the bad from the good in its own example."""
    mine = [it for it in answers if it.check == check and it.resource.startswith(f"module.{name}.")]
    wrong = []
    for it in mine:
        called = it.resource.split(".")[-1]
        if it.passed != called.startswith("good"):
            wrong.append(f"{it.resource} {'passes' if it.passed else 'is refused'}")
    for passed in (True, False):
        if not any(it.passed == passed for it in mine):
            wrong.append(f"bad/{name} has nothing that it {'lets pass' if passed else 'refuses'}")
    verdict.on(f"policy {name}", wrong)


def kinds(plan: dict[str, Any]) -> tuple[set[str], set[str]]:
    """`module.NAME.TYPE` of all resources that are written, and of those that are planned."""

    def written(module: dict[str, Any], at: str) -> Iterator[str]:
        for it in module.get("resources", []):
            if it["mode"] == "managed":
                yield at + it["type"]
        for name, call in module.get("module_calls", {}).items():
            yield from written(call["module"], f"{at}module.{name}.")

    planned = {
        INDEX.sub("", it["address"]).rpartition(".")[0] for it in plan.get("resource_changes", [])
    }
    return set(written(plan["configuration"]["root_module"], "")), planned


def unplanned(plans: Path) -> list[str]:
    """What no plan makes, so that no check has seen it. Checks go by type, and so does this."""
    every, seen = set(), set()
    for path in plans.glob("*.json"):
        if path.stem != BAD:
            written, planned = kinds(json.loads(path.read_text()))
            every |= written
            seen |= planned
    return [f"{it} is in none; add a file to plans/ that makes it" for it in every - seen]


def main(plans: Path, results: Path) -> int:
    answers = {path.stem: said(path) for path in sorted(results.glob("*.json"))}
    bad = answers.pop(BAD)
    skips = yaml.safe_load((HERE / "skips.yaml").read_text())
    verdict = Verdict()
    for plan, them in answers.items():
        judge_plan(verdict, plan, them, skips)

    real = [it for them in answers.values() for it in them]
    seen = Counter(it.check for it in real)
    refused = {it.check for it in real if not it.passed}
    for check in skips:
        wrong = [] if check in refused else ["everything passes; take it out"]
        verdict.on(f"skips.yaml: {check}", wrong)
    for name, check in sorted(policies().items()):
        judge_policy(verdict, name, check, bad)
        verdict.on(f"policy {name}", [] if seen[check] else ["no plan has what it is about"])
    strays = {path.name for path in (HERE / "bad").iterdir()} - policies().keys()
    verdict.on("bad", [f"{name} proves no policy; take it away" for name in strays])
    verdict.on("plans", unplanned(plans))
    print(f"{verdict.passed} passed, {verdict.failed} failed")
    return 1 if verdict.failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
