"""Route 53 and S3 for one process: moto, with its Route 53 set right in three places.

moto deletes every record set of the zone that has the same identifier, takes a set for existing
once it has been there, and forgets where geoproximity lies.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.route53 import models
from moto.route53.exceptions import DnsNameInvalidForZone, Route53ClientError

HOST = "127.0.0.1"
REGION = "eu-central-1"
# What takes so long is not on this machine.
PATIENCE = Config(connect_timeout=10, read_timeout=60, retries={"total_max_attempts": 1})
OF_MOTO = models.RecordSet.__init__

_where: list[str] = []


def endpoint() -> str:
    """The address of the server that runs."""
    return _where[-1]


@contextlib.contextmanager
def started() -> Iterator[None]:
    """Serves as long as this lasts."""
    forget_accounts()
    set_right()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    _where.append("http://{}:{}".format(*server.get_host_and_port()))
    try:
        yield
    finally:
        _where.pop()
        server.stop()


def forget_accounts() -> None:
    """Nobody's own settings count here, and nothing goes by way of a proxy."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["NO_PROXY"] = HOST


def client(service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint(),
        region_name=REGION,
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
        config=PATIENCE,
    )


def set_right() -> None:
    """Makes moto's Route 53 keep and change record sets as Route 53 does."""
    models.RecordSet.__init__ = remember
    models.Route53Backend.change_resource_record_sets = change


def remember(self: models.RecordSet, asked: dict[str, Any]) -> None:
    OF_MOTO(self, asked)
    self.geo_proximity_location = asked.get("GeoProximityLocation")


def change(self: models.Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> None:
    """A batch: all of it, or nothing."""
    zone = self.get_hosted_zone(zoneid)
    sets = {identity(each): each for each in zone.rrsets}
    for each in change_list:
        asked = record_set(each["ResourceRecordSet"])
        if not f".{asked.name}".endswith(f".{zone.name}"):
            raise DnsNameInvalidForZone(name=asked.name, zone_name=zone.name)
        refuse(each["Action"], asked, sets.get(identity(asked)))
        if each["Action"] == "DELETE":
            del sets[identity(asked)]
        else:
            sets[identity(asked)] = asked
    zone.rrsets = list(sets.values())


def record_set(asked: dict[str, Any]) -> models.RecordSet:
    values = [each["Value"] for each in asked.get("ResourceRecords") or []]
    name = asked["Name"].rstrip(".") + "."
    return models.RecordSet({**asked, "Name": name, "ResourceRecords": values})


def identity(it: models.RecordSet) -> tuple[str, str, str | None]:
    return it.name, it.type, it.set_identifier


def refuse(action: str, asked: models.RecordSet, there: models.RecordSet | None) -> None:
    what = f"[name='{asked.name}', type='{asked.type}', set-identifier='{asked.set_identifier}']"
    if action == "CREATE" and there:
        raise invalid(f"Tried to create resource record set {what} but it already exists")
    if action == "DELETE" and not there:
        raise invalid(f"Tried to delete resource record set {what} but it was not found")
    if action == "DELETE" and vars(there) != vars(asked):
        raise invalid(
            f"Tried to delete resource record set {what} but the values provided do not "
            "match the current values"
        )


def invalid(message: str) -> Route53ClientError:
    return Route53ClientError("InvalidChangeBatch", message)
