"""Terraform's states on S3, with the backends of terraform/live: written, read by others, locked,
and freed of an apply that has died, as docs/runbooks/16-state-lock-stuck.md says."""

from __future__ import annotations

import contextlib
import getpass
import json
import re
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

import cloud
from harness import REPOSITORY, Check, environment, expect, left_behind, terraform, wait_until

BACKEND = re.compile(r'  backend "s3" \{\n.*?\n  \}', re.DOTALL)
REFUSED = "Error acquiring the state lock"
FREED = "Terraform state has been successfully unlocked!"

# What a region's root is here: a resource that is made at once, and if asked for, one that waits
# in the middle of an apply until there is a file `go`.
ROOT = """
terraform {
  required_version = ">= 1.11"

BACKEND
}
variable "region" { type = string }
variable "slow" {
  type    = bool
  default = false
}
resource "terraform_data" "network" { input = var.region }
resource "terraform_data" "cluster" {
  count = var.slow ? 1 : 0
  input = terraform_data.network.output

  provisioner "local-exec" {
    command = <<-END
      touch started
      n=0
      until [ -e go ] || [ $n -eq 1200 ]; do sleep 0.1; n=$((n + 1)); done
    END
  }
}
output "region" { value = terraform_data.network.output }
"""

READER = """
data "terraform_remote_state" "region" {
  backend = "s3"
  config = {
CONFIG
  }
}
output "seen" { value = data.terraform_remote_state.region.outputs.region }
"""


class Bucket(NamedTuple):
    """A bucket for states, which keeps their older versions."""

    name: str
    client: Any

    @classmethod
    def new(cls) -> Bucket:
        it = cls(f"states-{uuid.uuid4()}", cloud.client("s3"))
        it.client.create_bucket(
            Bucket=it.name, CreateBucketConfiguration={"LocationConstraint": cloud.REGION}
        )
        it.client.put_bucket_versioning(
            Bucket=it.name, VersioningConfiguration={"Status": "Enabled"}
        )
        return it

    def config(self, key: str) -> dict[str, object]:
        return {
            "bucket": self.name,
            "key": key,
            "region": cloud.REGION,
            "endpoints": {"s3": cloud.endpoint()},
            "use_path_style": True,
            "skip_credentials_validation": True,
            "skip_metadata_api_check": True,
            "skip_region_validation": True,
            "skip_requesting_account_id": True,
        }

    def text(self, key: str) -> str | None:
        try:
            return self.client.get_object(Bucket=self.name, Key=key)["Body"].read().decode()
        except ClientError as error:
            expect(error.response["Error"]["Code"] == "NoSuchKey", "no such key", error)
            return None

    def state(self, key: str) -> dict[str, Any]:
        text = self.text(key)
        expect(text, f"a state at {key}", "none")
        return json.loads(text)

    def lock(self, key: str) -> dict[str, str] | None:
        """Who holds the lock, as the runbook has it looked at."""
        text = self.text(f"{key}.tflock")
        return json.loads(text) if text else None

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return sorted(each["Key"] for each in found)

    def versions(self, key: str) -> int:
        found = self.client.list_object_versions(Bucket=self.name, Prefix=key)["Versions"]
        return sum(each["Key"] == key for each in found)


def backend_of(root: str) -> str:
    """The backend that a root of terraform/live has."""
    text = (REPOSITORY / "terraform" / "live" / root / "versions.tf").read_text()
    found = BACKEND.search(text)
    expect(found, f"a backend in live/{root}", text)
    return found[0]


def key_of(region: str) -> str:
    return f"regions/{region}.tfstate"


def root_of(where: Path, bucket: Bucket, key: str, live: str = "region") -> Path:
    """A root whose state is at a key, as somebody has it who has just cloned the repository."""
    where.mkdir()
    (where / "main.tf").write_text(ROOT.replace("BACKEND", backend_of(live)))
    config = bucket.config(key)
    if "key " in backend_of(live):
        del config["key"]
    (where / "bucket.tfbackend").write_text(hcl(config))
    terraform(where, "init", "-input=false", "-reconfigure", "-backend-config=bucket.tfbackend")
    return where


def hcl(config: dict[str, object], indent: str = "") -> str:
    def value(it: object) -> str:
        if isinstance(it, dict):
            return "{ " + ", ".join(f"{key} = {value(each)}" for key, each in it.items()) + " }"
        return json.dumps(it)

    return "".join(f"{indent}{key} = {value(each)}\n" for key, each in config.items())


def apply(where: Path, region: str, *words: str, code: int = 0) -> str:
    told = ("-auto-approve", "-input=false", f"-var=region={region}", *words)
    return terraform(where, "apply", *told, code=code)


def plan(where: Path, region: str, *words: str, code: int = 0) -> str:
    told = ("-input=false", "-detailed-exitcode", f"-var=region={region}", *words)
    return terraform(where, "plan", *told, code=code)


def names(lock: dict[str, str], said: str) -> None:
    """That Terraform says all that the runbook has one read."""
    expect(REFUSED in said, REFUSED, said)
    for field in ("ID", "Path", "Operation", "Who", "Created"):
        wanted = lock[field].replace("T", " ").rstrip("Z") if field == "Created" else lock[field]
        expect(wanted in said, f"{field}: {wanted}", said)


@contextlib.contextmanager
def in_the_middle(root: Path, region: str) -> Iterator[subprocess.Popen[bytes]]:
    """An apply that has made one resource and waits in the next."""
    words = ("-auto-approve", "-input=false", f"-var=region={region}", "-var=slow=true")
    with (root / "said").open("wb") as said:
        process = subprocess.Popen(
            ["terraform", "apply", *words],
            cwd=root,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until((root / "started").exists, "an apply in its middle")
            yield process
        finally:
            # Whatever still waits goes on, and ends.
            (root / "go").touch()
            process.wait(timeout=60)
            wait_until(lambda: not left_behind(), "the end of all that was started")


def a_state_is_written_and_kept(live: str, key: str, folder: Path) -> None:
    bucket = Bucket.new()
    root = root_of(folder / "root", bucket, key, live)
    apply(root, "us-east")
    state = bucket.state(key)
    expect(
        state["version"] == 4 and state["outputs"]["region"]["value"] == "us-east",
        "a state with its output",
        state,
    )
    expect(bucket.keys() == [key], "a state and no lock", bucket.keys())
    apply(root, "eu-west")
    later = bucket.state(key)
    expect(
        later["serial"] > state["serial"] and later["lineage"] == state["lineage"],
        "a later state of the same line",
        later,
    )
    expect(bucket.versions(key) >= 2, "the older version kept", bucket.versions(key))
    head = bucket.client.head_object(Bucket=bucket.name, Key=key)
    expect(head.get("ServerSideEncryption"), "a state that lies encrypted", head)
    expect(not (root / "terraform.tfstate").exists(), "no state on the disk", "one")


def another_root_reads_a_state(folder: Path) -> None:
    bucket, key = Bucket.new(), key_of("us-east")
    apply(root_of(folder / "root", bucket, key), "us-east")
    reader = folder / "reader"
    reader.mkdir()
    config = hcl(bucket.config(key), indent="    ")
    (reader / "main.tf").write_text(READER.replace("CONFIG", config))
    terraform(reader, "init", "-input=false")
    terraform(reader, "apply", "-auto-approve", "-input=false")
    seen = terraform(reader, "output", "-raw", "seen")
    expect(seen == "us-east", "us-east", seen)


def a_foreign_lock(key: str) -> dict[str, str]:
    return {
        "ID": str(uuid.uuid4()),
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": "somebody@elsewhere",
        "Version": "1.11.4",
        "Created": "2026-01-02T03:04:05.678901234Z",
        "Path": key,
    }


def a_foreign_lock_stops_everybody_else(folder: Path) -> None:
    bucket, key = Bucket.new(), key_of("us-east")
    root = root_of(folder / "root", bucket, key)
    apply(root, "us-east")
    before, lock = bucket.text(key), a_foreign_lock(f"{bucket.name}/{key}")
    bucket.client.put_object(Bucket=bucket.name, Key=f"{key}.tflock", Body=json.dumps(lock))

    names(lock, plan(root, "us-east", code=1))
    names(lock, apply(root, "eu-west", code=1))
    terraform(root, "force-unlock", "-force", str(uuid.uuid4()), code=1)
    expect(bucket.lock(key) == lock, "the lock as it was", bucket.lock(key))
    expect(bucket.text(key) == before, "the state as it was", bucket.text(key))

    said = terraform(root, "force-unlock", "-force", lock["ID"])
    expect(FREED in said, FREED, said)
    expect(bucket.keys() == [key], "a state and no lock", bucket.keys())
    expect(bucket.text(key) == before, "the state as it was", bucket.text(key))
    plan(root, "us-east")


def who() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"


def a_killed_apply_is_taken_over(folder: Path) -> None:
    """The runbook, by somebody with a clone of their own."""
    bucket, key = Bucket.new(), key_of("us-east")
    root = root_of(folder / "root", bucket, key)
    apply(root, "us-east")
    before = bucket.text(key)
    with in_the_middle(root, "eu-west") as process:
        process.kill()
        process.wait()
    lock = bucket.lock(key)
    expect(lock, "a lock that was left", "none")
    expect(
        lock["Who"] == who() and lock["Operation"] == "OperationTypeApply",
        f"an apply of {who()}",
        lock,
    )
    expect(bucket.text(key) == before, "the state as it was", bucket.text(key))

    other = root_of(folder / "other", bucket, key)
    names(lock, plan(other, "eu-west", "-var=slow=true", code=1))
    said = terraform(other, "force-unlock", lock["ID"], answer="yes\n")
    expect(FREED in said, FREED, said)
    said = plan(other, "eu-west", "-var=slow=true", code=2)
    expect("1 to add, 1 to change, 0 to destroy" in said, "what was left to do", said)
    (other / "go").touch()
    apply(other, "eu-west", "-var=slow=true")
    plan(other, "eu-west", "-var=slow=true")
    made = sorted(each["name"] for each in bucket.state(key)["resources"])
    expect(made == ["cluster", "network"], "both resources", made)
    expect(bucket.keys() == [key], "a state and no lock", bucket.keys())


def an_interrupted_apply_frees_its_lock(folder: Path) -> None:
    """Ctrl-C is no kill: what is made is written down, and the lock is given back."""
    bucket, key = Bucket.new(), key_of("us-east")
    root = root_of(folder / "root", bucket, key)
    with in_the_middle(root, "us-east") as process:
        process.terminate()
        wait_until(lambda: b"nterrupt" in (root / "said").read_bytes(), "word of the interrupt")
    expect(process.returncode == 1, "an apply that fails", process.returncode)
    expect(bucket.keys() == [key], "a state and no lock", bucket.keys())
    made = {each["name"] for each in bucket.state(key)["resources"]}
    expect("network" in made, "what was made written down", made)
    apply(root, "us-east", "-var=slow=true")


def two_regions_do_not_wait_for_each_other(folder: Path) -> None:
    bucket = Bucket.new()
    one, two = (root_of(folder / name, bucket, key_of(name)) for name in ("a", "b"))
    again = root_of(folder / "again", bucket, key_of("a"))
    with in_the_middle(one, "a") as process:
        lock = bucket.lock(key_of("a"))
        expect(lock and lock["Who"] == who(), f"a lock of {who()}", lock)
        names(lock, plan(again, "a", code=1))
        apply(two, "b")
        expect(process.poll() is None, "the first still at work", process.returncode)
    expect(process.returncode == 0, "the first to finish", (one / "said").read_text())
    expect(bucket.keys() == [key_of("a"), key_of("b")], "two states, no lock", bucket.keys())
    seen = [bucket.state(key_of(name))["outputs"]["region"]["value"] for name in ("a", "b")]
    expect(seen == ["a", "b"], "each its own", seen)


def checks() -> list[Check]:
    bodies: list[Callable[[Path], None]] = [
        another_root_reads_a_state,
        a_foreign_lock_stops_everybody_else,
        a_killed_apply_is_taken_over,
        an_interrupted_apply_frees_its_lock,
        two_regions_do_not_wait_for_each_other,
    ]
    written = [
        Check(
            f"states: live/{live}'s is written and kept",
            partial(a_state_is_written_and_kept, live, key),
        )
        for live, key in (("region", key_of("us-east")), ("global", "global.tfstate"))
    ]
    return written + [Check(f"states: {body.__name__.replace('_', ' ')}", body) for body in bodies]
