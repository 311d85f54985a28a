"""What a case is, what it says when it fails, and the summary of a run."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from typing import Callable, Iterable, TypeVar

Body = Callable[..., None]
Value = TypeVar("Value")

# How much is shown of what came.
COLUMNS_MAX = 300
LINES_MAX = 16


class Failed(Exception):
    """A case did not come out as it should."""

    def __init__(self, wanted: str, came: object) -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.came = str(came)


class NotStarted(Failed):
    """The server under test is not there, so nothing else can be tried on it."""


def expect(is_so: object, wanted: str, came: object) -> None:
    """Ends a case that is not as wanted."""
    if not is_so:
        raise Failed(wanted, came)


def present(value: Value | None, wanted: str, came: object) -> Value:
    """Ends a case where something is missing."""
    if value is None:
        raise Failed(wanted, came)
    return value


def expect_equal(wanted: object, came: object, what: str) -> None:
    """Ends a case where two things differ that should not."""
    expect(wanted == came, f"{what} {wanted!r}", repr(came))


@dataclass(frozen=True)
class Case:
    """One promise: its name, where it is written, and how it is tried."""

    name: str
    source: str
    body: Body
    needs: tuple[str, ...] = ()
    is_slow: bool = False


@dataclass
class Suite:
    """The cases of one file, in the order of the file."""

    name: str
    cases: list[Case] = field(default_factory=list)

    def case(
        self, name: str, source: str, needs: Iterable[str] = (), is_slow: bool = False
    ) -> Callable[[Body], Body]:
        """Adds the function below it as a case."""

        def add(body: Body) -> Body:
            self.add(name, source, body, needs, is_slow)
            return body

        return add

    def add(
        self,
        name: str,
        source: str,
        body: Body,
        needs: Iterable[str] = (),
        is_slow: bool = False,
    ) -> None:
        """Adds a case, for tables of them."""
        self.cases.append(Case(name, source, body, tuple(needs), is_slow))


@dataclass
class Report:
    """Counts what ran, and prints what failed."""

    verbose: bool = False
    ran: int = 0
    failed: list[str] = field(default_factory=list)

    def run(self, suite: Suite, world: object, cases: list[Case]) -> None:
        """Runs cases of a suite; one that fails does not stop the others."""
        started = time.monotonic()
        failed_before = len(self.failed)
        for case in cases:
            if not self.one(suite, case, world):
                print(f"          the rest of {suite.name} is not tried")
                break
        seconds = time.monotonic() - started
        failed = len(self.failed) - failed_before
        verdict = f", {failed} FAILED" if failed else ""
        print(f"{suite.name:<14}{len(cases):>4} cases in {seconds:5.1f} s{verdict}", flush=True)

    def one(self, suite: Suite, case: Case, world: object) -> bool:
        """Runs a case; false when there is no server to go on with."""
        self.ran += 1
        full_name = f"{suite.name}: {case.name}"
        try:
            case.body(world)
        except Failed as failure:
            self.fail(full_name, case, failure.wanted, failure.came)
            return not isinstance(failure, NotStarted)
        except Exception as error:  # A case that breaks is a case that failed.
            where = traceback.extract_tb(error.__traceback__)[-1]
            came = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
            self.fail(full_name, case, "an answer that can be looked at", came)
        else:
            if self.verbose:
                print(f"  ok      {full_name}", flush=True)
        return True

    def fail(self, full_name: str, case: Case, wanted: str, came: str) -> None:
        self.failed.append(full_name)
        lines = [it if len(it) <= COLUMNS_MAX else it[:COLUMNS_MAX] + "..." for it in
                 came.splitlines()]
        if len(lines) > LINES_MAX:
            lines[LINES_MAX:] = [f"... and {len(lines) - LINES_MAX} lines more"]
        print(f"  FAILED  {full_name}")
        print(f"          wanted  {wanted[:COLUMNS_MAX]}  [{case.source}]")
        print("          came    " + "\n                  ".join(lines), flush=True)
