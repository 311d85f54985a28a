"""A provider of Terraform's that knows the schema of a real one and has no cloud behind it.

    server.py NAME      started by Terraform; NAME.schema and NAME.index lie beside it

It validates what the schema knows, plans, applies and destroys; what a cloud would compute comes
from `cloud.py`. The state that Terraform keeps is the only memory.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import msgpack

import plugin_pb2 as wire
from cloud import Answers, Cloud, invalid_region
from plan import State, Value, is_unknown, is_whole, mark, remember, settle

HERE = Path(__file__).resolve().parent
# How often to look whether Terraform is still there.
WATCH_SECONDS = 1.0
THREADS = 4


def unpack(value: wire.Value) -> Value:
    return msgpack.unpackb(value.msgpack, strict_map_key=False)


def pack(value: Value) -> wire.Value:
    return wire.Value(msgpack=msgpack.packb(value))


def error(summary: str, attribute: str = "") -> wire.Finding:
    finding = wire.Finding(severity=wire.Finding.ERROR, summary=summary)
    if attribute:
        finding.attribute.steps.add(attribute=attribute)
    return finding


class Provider:
    """The answers to what Terraform asks, a method a question."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.schema = (HERE / f"{name}.schema").read_bytes()
        self.index = json.loads((HERE / f"{name}.index").read_text())
        facts = json.loads((HERE / "facts.json").read_text())
        self.replaces = facts.get(name, {}).get("replaces", {})
        self.cloud = Cloud(name)
        self.blocks: dict[tuple[str, str], wire.Block] = {}

    def block(self, kind: str, type_name: str) -> wire.Block:
        if (kind, type_name) not in self.blocks:
            at, length = self.index[kind][type_name]
            schemas = wire.Schemas.FromString(self.schema[at : at + length])
            self.blocks[kind, type_name] = getattr(schemas, kind)[type_name].block
        return self.blocks[kind, type_name]

    def is_regional(self, block: wire.Block) -> bool:
        """Whether a type of AWS has the `region` of version 6: where the resource is managed."""
        return self.name == "aws" and any(
            each.name == "region" and each.optional and each.computed for each in block.attributes
        )

    def schemas(self, _: wire.Nothing) -> bytes:
        return self.schema

    def validate_provider(self, _: wire.Configuration) -> wire.Answer:
        return wire.Answer()

    def validate(self, asked: wire.Subject) -> wire.Findings:
        return wire.Findings(findings=refusals(asked.type, unpack(asked.value)))

    def configure(self, asked: wire.Subject) -> wire.Findings:
        wrong = self.cloud.configure(unpack(asked.value))
        return wire.Findings(findings=[error(wrong, "region")] if wrong else [])

    def upgrade(self, asked: wire.Kept) -> wire.Answer:
        return wire.Answer(value=wire.Value(json=asked.state.json))

    def read(self, asked: wire.Subject) -> wire.Answer:
        return wire.Answer(value=asked.value)

    def plan(self, asked: wire.Change) -> wire.Planned:
        prior, proposed = unpack(asked.prior), unpack(asked.next)
        if proposed is None:
            return wire.Planned(state=asked.next)
        block = self.block("resources", asked.type)
        replaces = list(self.replaces.get(asked.type, ()))
        if self.is_regional(block):
            configured = unpack(asked.configuration)["region"]
            proposed["region"] = self.cloud.region_of({"region": configured})
            replaces.append("region")
        if self.name == "aws" and "tags_all" in proposed:
            proposed["tags_all"] = self.cloud.tags_all(proposed)
        if prior:
            proposed = remember(block, proposed, prior)
        if proposed == prior:
            return wire.Planned(state=asked.prior)
        answer = wire.Planned(state=pack(mark(block, proposed)))
        for name in replaces if prior else ():
            if proposed[name] != prior[name]:
                answer.replaces.add().steps.add(attribute=name)
        return answer

    def apply(self, asked: wire.Change) -> wire.Applied:
        planned = unpack(asked.next)
        if planned is None:
            return wire.Applied(state=asked.next)
        block = self.block("resources", asked.type)
        return wire.Applied(state=pack(self.settled(block, asked.type, planned)))

    def read_data(self, asked: wire.Subject) -> wire.Answer:
        block = self.block("data_sources", asked.type)
        state = mark(block, unpack(asked.value))
        return wire.Answer(value=pack(self.settled(block, asked.type, state)))

    def open(self, asked: wire.Subject) -> wire.Opened:
        block = self.block("ephemerals", asked.type)
        state = mark(block, unpack(asked.value))
        return wire.Opened(value=pack(self.settled(block, asked.type, state)))

    def settled(self, block: wire.Block, type_name: str, state: State) -> State:
        return settle(Answers(self.cloud, type_name, state), block, state)

    def refuse_import(self, asked: wire.Existing) -> wire.Answer:
        refusal = error(f"The stand-in for {self.name} has no cloud to import {asked.id} from.")
        return wire.Answer(findings=[refusal])


def refusals(type_name: str, state: State) -> Iterator[wire.Finding]:
    """What a real provider refuses beyond its schema, as far as we need it."""
    if type_name.startswith("aws_") and isinstance(state.get("region"), str):
        if wrong := invalid_region(state["region"]):
            yield error(wrong, "region")
    if type_name != "cockroach_cluster":
        return
    dedicated, serverless, regions = (state[key] for key in ("dedicated", "serverless", "regions"))
    if dedicated and serverless:
        yield error("Only one of `dedicated` and `serverless` may be set.", "dedicated")
    if not is_whole(regions):
        return
    primary = [each["primary"] for each in regions]
    if dedicated and any(each is not None for each in primary):
        yield error("The regions of an Advanced cluster have no `primary`.", "regions")
    if serverless and len(regions) > 1 and primary.count(True) != 1:
        yield error("Exactly one region must be `primary`.", "regions")


def methods(provider: Provider) -> dict[str, tuple[Callable[..., Any], Any]]:
    """Terraform's names for the questions, with what answers each and how it is read."""
    return {
        "GetProviderSchema": (provider.schemas, wire.Nothing),
        "ValidateProviderConfig": (provider.validate_provider, wire.Configuration),
        "ValidateResourceConfig": (provider.validate, wire.Subject),
        "ValidateDataResourceConfig": (provider.validate, wire.Subject),
        "ValidateEphemeralResourceConfig": (provider.validate, wire.Subject),
        "ConfigureProvider": (provider.configure, wire.Subject),
        "UpgradeResourceState": (provider.upgrade, wire.Kept),
        "ReadResource": (provider.read, wire.Subject),
        "PlanResourceChange": (provider.plan, wire.Change),
        "ApplyResourceChange": (provider.apply, wire.Change),
        "ImportResourceState": (provider.refuse_import, wire.Existing),
        "ReadDataSource": (provider.read_data, wire.Subject),
        "OpenEphemeralResource": (provider.open, wire.Subject),
        "CloseEphemeralResource": (lambda _: wire.Findings(), wire.Subject),
        "StopProvider": (lambda _: wire.Nothing(), wire.Nothing),
    }


def service(name: str, table: dict[str, tuple[Callable[..., Any], Any]]) -> Any:
    def written(answer: Any) -> bytes:
        return answer if isinstance(answer, bytes) else answer.SerializeToString()

    handlers = {
        method: grpc.unary_unary_rpc_method_handler(
            lambda asked, _, answer=answer: answer(asked),
            request_deserializer=message.FromString,
            response_serializer=written,
        )
        for method, (answer, message) in table.items()
    }
    return grpc.method_handlers_generic_handler(name, handlers)


def listen(server: Any, address: str) -> str:
    """Listens; returns the certificate that Terraform shall expect, or nothing."""
    if not os.environ.get("PLUGIN_CLIENT_CERT"):
        server.add_insecure_port(address)
        return ""
    # Terraform shows a certificate too, but with a curve that gRPC for Python does not take.
    key, certificate = ((HERE / name).read_bytes() for name in ("key.pem", "certificate.pem"))
    server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))
    return "".join(certificate.decode().splitlines()[1:-1]).rstrip("=")


def main(name: str) -> None:
    # An interrupt goes to Terraform too, which then ends its providers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    over = threading.Event()

    def shut_down(_: wire.Nothing) -> wire.Nothing:
        over.set()
        return wire.Nothing()

    terraform = os.getppid()
    unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(THREADS), options=unlimited)
    questions = service("tfplugin6.Provider", methods(Provider(name)))
    control = service("plugin.GRPCController", {"Shutdown": (shut_down, wire.Nothing)})
    server.add_generic_rpc_handlers((questions, control))
    with tempfile.TemporaryDirectory(prefix="plugin") as folder:
        socket = f"{folder}/socket"
        certificate = listen(server, f"unix:{socket}")
        server.start()
        print(f"1|6|unix|{socket}|grpc|{certificate}", flush=True)
        while not over.wait(WATCH_SECONDS) and os.getppid() == terraform:
            pass
        server.stop(grace=None).wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
