"""The sides: what is measured, each prepared through its own interface."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import Api, Child, Failed, Peak, memory_mib, run_json, wait_until

CALL = "/v1/agent-tool-call"
RULES = 100
CANDIDATES = 50
CERBOS = "0.55.0"


@dataclass(frozen=True)
class Tools:
    """Programs that were built, and a folder on a real disk to work in."""

    relynt: Path
    bench: Path
    work: Path

    def json(self, *arguments: str | Path, stdin: str = "") -> Any:
        return run_json([self.bench, *arguments], stdin=stdin)

    def lines(self, name: str, *arguments: str | Path) -> Path:
        """What a command prints, in a file that is made once."""
        file = self.work / name
        if not file.exists():
            made = subprocess.run([self.bench, *map(str, arguments)], capture_output=True, check=True)
            file.write_bytes(made.stdout)
        return file


@dataclass
class Side:
    """One thing that is measured in every round."""

    name: str
    run: Callable[[float], dict[str, Any]]
    # Whether it is one of those that count for the time that a round takes.
    scale: float = 1.0
    results: list[dict[str, Any]] = field(default_factory=list)


class Load:
    """The closed loop against one address."""

    def __init__(self, tools: Tools, address: str, *, pid: int | None = None, headers: Path | None = None) -> None:
        self.tools = tools
        self.address = address
        self.pid = pid
        self.headers = headers

    def closed(
        self,
        path: str,
        bodies: Path,
        connections: int,
        seconds: float,
        *keys: str | Path,
        count: int | None = None,
        expect: str = "",
    ) -> dict[str, Any]:
        arguments: list[str | Path] = ["closed", "--address", self.address, "--path", path, "--bodies", bodies]
        arguments += ["--connections", str(connections), "--seconds", str(seconds), *keys]
        if self.headers:
            arguments += ["--headers", self.headers]
        if count:
            arguments += ["--count", str(count)]
        if expect:
            arguments += ["--expect", expect]
        if self.pid is None:
            measured: dict[str, Any] = self.tools.json(*arguments)
        else:
            with Peak(self.pid) as peak:
                measured = self.tools.json(*arguments)
            measured["cpu_us"] = peak.cpu_s / max(measured["answers_with_warm_up"], 1) * 1e6
            measured["peak_mib"] = peak.most_mib
        if measured["unexpected"] or not measured["statuses"].get("200"):
            raise Failed(f"{path} was to answer {expect}, always:\n{measured['sample']}")
        if measured["unanswered"]:
            raise Failed(f"{path}: {measured['unanswered']} requests were not answered within half a minute")
        # What was refused is no decision.
        accepted = measured["statuses"].get("200", 0)
        measured["refused"] = sum(measured["statuses"].values()) - accepted
        measured["rate"] = accepted / measured["seconds"]
        return measured


class Hyper:
    """A server of nothing but hyper."""

    def __init__(self, tools: Tools, answer: str, workers: int = 2) -> None:
        self.child = Child([tools.bench, "serve", answer, "--workers", str(workers)], tools.work / f"{answer}.log")
        self.address: str = self.child.first_line()["address"]
        self.load = Load(tools, self.address, pid=self.child.pid)


class Relynt:
    """`relynt dev` on a folder, with the sample policy and a connector."""

    def __init__(self, tools: Tools, name: str, *, agent_secret: str | None = None) -> None:
        self.tools = tools
        self.folder = tools.work / name
        self.began = time.perf_counter()
        log = tools.work / f"{name}.log"
        self.child = Child([tools.relynt, "dev", "--data", self.folder, "--port", "0", "--json"], log)
        said = self.child.first_line()
        self.address = urllib.parse.urlsplit(said["base_url"]).netloc
        self.api = Api(self.address)
        self.token: str = said["access_token"]
        self.agent_secret: str = agent_secret or said["agent_secret"]
        self.metrics = urllib.parse.urlsplit(said["metrics_url"]).netloc
        self.headers = tools.work / f"{name}.headers"
        self.headers.write_text(f"authorization: Bearer {self.agent_secret}\n")
        self.headers.chmod(0o600)
        self.load = Load(tools, self.address, pid=self.child.pid, headers=self.headers)

    def prepare(self, target: str | None) -> None:
        """The sample policy, and where allowed `run` requests are performed."""
        rules = json.loads(self.tools.lines("rules.json", "rules").read_text())
        self.activate(rules)
        if target:
            connector = {
                "name": "bench",
                "action": "update_deal",
                "resource_pattern": "crm:run:*",
                "base_url": f"http://{target}",
            }
            self.api.ask("POST", "/v1/connectors", connector, self.token)

    def activate(self, rules: list[Any], token: str = "") -> None:
        token = token or self.token
        version = self.api.ask("POST", "/v1/policies", {"rules": rules}, token)["version"]
        self.api.ask("POST", f"/v1/policies/{version}/activate", {"acknowledge": True}, token)

    def agent_of(self, token: str) -> str:
        """The sample policy and an agent in another organization; the agent's secret."""
        rules = json.loads(self.tools.lines("rules.json", "rules").read_text())
        self.activate(rules, token)
        made = self.api.ask("POST", "/v1/agents", {"name": "bench"}, token)
        agent = made["agent_id"]
        return str(self.api.ask("POST", f"/v1/agents/{agent}/rotate", {}, token)["agent_secret"])

    def decide(
        self,
        outcome: str,
        connections: int,
        seconds: float,
        *more: str,
        order: str = "ordered",
        bodies: Path | None = None,
        credentials: Path | None = None,
    ) -> dict[str, Any]:
        """Durable decisions, each under a key of its own."""
        # Of `run` the target's own answer: nothing less says that it was called.
        expect = {"deny": '"deny"', "allow": '"allow"', "run": '"updated":true', "ask": '"pending_approval"'}[outcome]
        bodies = bodies or self.tools.lines(f"{outcome}.bodies", "bodies", outcome)
        load = self.load
        if credentials:
            more += ("--credentials", str(credentials))
            load = Load(self.tools, self.address, pid=self.child.pid)
        return load.closed(CALL, bodies, connections, seconds, "--order", order, *more, expect=expect)

    def pending(self, seconds: float) -> dict[str, Any]:
        bodies = self.tools.lines("ask-unique.bodies", "bodies", "ask", "--unique")
        return self.decide("ask", 64, seconds, bodies=bodies)

    def joining(self, seconds: float) -> dict[str, Any]:
        bodies = self.tools.lines("ask-one.bodies", "bodies", "ask", "--count", "1")
        return self.decide("ask", 64, seconds, bodies=bodies)

    def replay(self, seconds: float) -> dict[str, Any]:
        keys = self.tools.lines(f"{self.folder.name}.keys", "keys")
        bodies = self.tools.lines("deny.bodies", "bodies", "deny")
        marker = self.folder / "bench-replayed"
        if not marker.exists():
            self.load.closed(CALL, bodies, 64, 60, "--keys", keys, count=10_064)
            marker.touch()
        return self.load.closed(CALL, bodies, 64, seconds, "--keys", keys, expect="idempotency-replayed: true")

    def simulate(self, seconds: float) -> dict[str, Any]:
        bodies = self.tools.lines("deny.bodies", "bodies", "deny")
        return self.load.closed("/v1/policy-simulator", bodies, 64, seconds, expect='"deny"')

    def stop(self) -> None:
        self.child.stop()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in (f"{self.folder.name}.keys", f"{self.folder.name}.headers", f"{self.folder.name}.log"):
            (self.tools.work / name).unlink(missing_ok=True)


class Cerbos:
    """The peer, from the package that carries its program; policies and requests of the same mix."""

    def __init__(self, tools: Tools, program: Path, audit: str, port: int) -> None:
        folder = tools.work / f"cerbos-{audit}"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "policies").mkdir(parents=True)
        policy = tools.lines("cerbos-policy.json", "cerbos-policy").read_text()
        (folder / "policies" / "crm.json").write_text(policy)
        audits: dict[str, Any] = {
            "off": {"enabled": False},
            "file": {"enabled": True, "backend": "file", "file": {"path": str(folder / "audit.log")}},
            "local": {"enabled": True, "backend": "local", "local": {"storagePath": str(folder / "audit")}},
        }
        config = {
            "server": {"httpListenAddr": f"127.0.0.1:{port}", "grpcListenAddr": f"127.0.0.1:{port + 1}"},
            "storage": {"driver": "disk", "disk": {"directory": str(folder / "policies")}},
            "audit": audits[audit],
            "telemetry": {"disabled": True},
        }
        (folder / "config.json").write_text(json.dumps(config))
        log = tools.work / f"cerbos-{audit}.log"
        self.child = Child([program, "server", f"--config={folder / 'config.json'}", "--log-level=ERROR"], log)
        assert self.child.process.stdout is not None
        self.child.drain(self.child.process.stdout)
        address = f"127.0.0.1:{port}"
        api = Api(address)
        wait_until("Cerbos", 60, lambda: api.ask("GET", "/_cerbos/health") is not None)
        self.load = Load(tools, address, pid=self.child.pid)
        self.bodies = tools.lines("cerbos.bodies", "bodies", "deny", "--cerbos")

    def check(self, seconds: float) -> dict[str, Any]:
        measured = self.load.closed("/api/check/resources", self.bodies, 64, seconds, expect="EFFECT_DENY")
        measured["resident_mib"] = memory_mib(self.child.pid)
        return measured


def cerbos_program(target: Path) -> Path | None:
    """Cerbos from the npm registry, pinned; none if there is no such package for this machine."""
    package = "@cerbos/cerbos-linux-x64"
    found = target / "npm" / "node_modules" / package / "cerbos-linux-x64"
    if not found.exists():
        (target / "npm").mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [
                "npm",
                "install",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
                target / "npm",
                f"{package}@{CERBOS}",
            ],
            capture_output=True,
            check=False,
        )
    return found if found.exists() else None
