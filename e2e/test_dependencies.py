"""The dependency rule of ARCHITECTURE.md: a crate uses crates of a lower row, never of its own or above."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROWS = {
    "json": 1,
    "domain": 2,
    "policy": 3,
    "ledger": 3,
    "gateway": 4,
    "egress": 5,
    "store": 6,
    "connectors": 6,
    "api": 6,
    "server": 7,
    "client": 7,
    "cli": 8,
    "python": 8,
}
# Every edge that the drawing has; a new one is an entry here and a sentence in ARCHITECTURE.md.
EDGES = {
    "json": set(),
    "domain": {"json"},
    "policy": {"json", "domain"},
    "ledger": {"json"},
    "gateway": {"json", "domain", "policy", "ledger"},
    "egress": {"json", "domain"},
    "store": {"json", "domain", "policy", "ledger", "gateway"},
    "connectors": {"json", "domain", "policy", "gateway", "egress"},
    "api": {"json", "domain"},
    "server": {"json", "domain", "policy", "ledger", "gateway", "egress", "store", "connectors", "api"},
    "client": {"json", "domain", "api"},
    "cli": {"json", "domain", "policy", "ledger", "gateway", "egress", "store", "api", "client", "server"},
    "python": {"json", "policy", "ledger", "client"},
}
# Nothing that ships uses these: what tests are written with, and the benchmarks.
BESIDE = {"testkit", "bench"}
NO_RUNTIME = {"tokio", "axum", "hyper", "hyper-util", "rusqlite", "libsqlite3-sys", "tokio-postgres", "sqlx"}


@cache
def metadata() -> dict[str, Any]:
    made = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def ours() -> dict[str, dict[str, Any]]:
    """Our packages by folder name."""
    members = set(metadata()["workspace_members"])
    return {
        package["name"].removeprefix("relynt-"): package
        for package in metadata()["packages"]
        if package["id"] in members
    }


def edges(package: dict[str, Any], *, tests: bool) -> Iterator[str]:
    """The crates of ours that a package uses."""
    for dependency in package["dependencies"]:
        if dependency["name"].startswith("relynt-") and (tests or dependency["kind"] != "dev"):
            yield dependency["name"].removeprefix("relynt-")


def reached(name: str) -> dict[str, dict[str, Any]]:
    """Everything that a crate of ours brings with it when it is built, by name; build scripts left out."""
    nodes = {node["id"]: node for node in metadata()["resolve"]["nodes"]}
    packages = {package["id"]: package for package in metadata()["packages"]}
    found: dict[str, dict[str, Any]] = {}
    waiting = [ours()[name]["id"]]
    while waiting:
        for edge in nodes[waiting.pop()]["deps"]:
            normal = any(kind["kind"] is None for kind in edge["dep_kinds"])
            if normal and packages[edge["pkg"]]["name"] not in found:
                found[packages[edge["pkg"]]["name"]] = nodes[edge["pkg"]]
                waiting.append(edge["pkg"])
    return found


def test_every_crate_has_a_row() -> None:
    assert set(ours()) - BESIDE == set(ROWS) == set(EDGES)


def test_the_table_itself_only_points_downwards() -> None:
    for name, used in EDGES.items():
        for other in used:
            assert ROWS[other] < ROWS[name], f"{name} -> {other}"


def test_every_edge_between_our_crates_is_in_the_table() -> None:
    for name, package in ours().items():
        if name not in BESIDE:
            used = set(edges(package, tests=False))
            assert used <= EDGES[name], f"{name} -> {sorted(used - EDGES[name])}"


def test_nothing_that_ships_uses_the_test_kit_or_the_benchmarks() -> None:
    for name, package in ours().items():
        if name not in BESIDE:
            assert not BESIDE & set(edges(package, tests=False)), name


def test_pure_crates_bring_no_runtime_no_server_and_no_database() -> None:
    for name in ("json", "domain", "policy", "ledger"):
        found = NO_RUNTIME & set(reached(name))
        assert not found, f"{name} brings {sorted(found)}"


def test_the_flow_uses_nothing_of_tokio_but_its_synchronisation() -> None:
    found = NO_RUNTIME & set(reached("gateway"))
    assert found <= {"tokio"}, sorted(found)
    (dependency,) = [one for one in ours()["gateway"]["dependencies"] if one["name"] == "tokio" and one["kind"] is None]
    assert set(dependency["features"]) <= {"sync"}
    workspace = (ROOT / "Cargo.toml").read_text()
    assert '\ntokio = { version = "1.54", features = ["sync"] }\n' in workspace, "no feature comes in by the workspace"


def test_an_auditor_can_depend_on_the_ledger_alone() -> None:
    assert {name for name in reached("ledger") if name.startswith("relynt-")} == {"relynt-json"}
