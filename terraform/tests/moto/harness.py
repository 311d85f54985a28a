"""Checks, and the real Terraform that they run."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[3]
# A run that hangs is ended; a healthy one takes a few seconds.
RUN_SECONDS = 180
WAIT_SECONDS = 30
# So much of a failure is shown.
SHOWN = 1500
# Marks the processes that are started here.
MARK = {"MERIDIAN_CHECK": str(uuid.uuid4())}

# What Terraform puts around and between its words.
COLOUR = re.compile(r"\x1b\[[\d;]*m")
FRAME = re.compile(r"\s*\n[│\s]*")


class Check(NamedTuple):
    name: str
    body: Callable[[Path], None]


def holds(check: Check) -> bool:
    """Whether a check passes; says so."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="meridian-moto-") as folder:
        try:
            check.body(Path(folder))
        except Exception as error:  # noqa: BLE001
            is_told = isinstance(error, AssertionError)
            why = str(error) if is_told else f"{error!r}\n{traceback.format_exc()}"
            print(f"FAILED {check.name}: {shortened(why)}", flush=True)
            return False
    print(f"ok {check.name} ({time.monotonic() - started:.1f})", flush=True)
    return True


def shortened(text: str) -> str:
    text = text.strip()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ... {len(text) - SHOWN} more"


def expect(is_so: object, wanted: str, came: object) -> None:
    assert is_so, f"wanted {wanted}; came {came}"


def nothing(found: list[str], what: str) -> None:
    """Fails with the first few of what should not be there."""
    few = "; ".join(found[:5])
    assert not found, f"{len(found)} {what}: {few}" + (" ..." if len(found) > 5 else "")


def environment() -> dict[str, str]:
    """What Terraform runs in: nothing of whoever runs this, and no account."""
    mine = {key: each for key, each in os.environ.items() if not key.startswith(("AWS_", "TF_"))}
    return (
        mine
        | MARK
        | {
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
            "TF_IN_AUTOMATION": "1",
        }
    )


def terraform(where: Path, *words: str, code: int = 0, answer: str = "") -> str:
    """Runs Terraform, which has to end with a code; what it says, on one line."""
    run = subprocess.run(
        ["terraform", *words],
        cwd=where,
        env=environment(),
        input=answer,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    said = FRAME.sub(" ", COLOUR.sub("", run.stdout))
    expect(
        run.returncode == code,
        f"terraform {' '.join(words)} to end with {code}",
        f"{run.returncode}: {said}",
    )
    return said


def wait_until(is_so: Callable[[], object], what: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not is_so():
        expect(time.monotonic() < end, what, f"nothing of it in {WAIT_SECONDS} s")
        time.sleep(0.02)


def left_behind() -> list[str]:
    """The processes that were started here and still run."""
    ((name, value),) = MARK.items()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{name}={value}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def no_process_stays_behind(_: Path) -> None:
    wait_until(lambda: not left_behind(), f"no process, but there are {left_behind()}")


def checks() -> list[Check]:
    return [Check("no process stays behind", no_process_stays_behind)]
