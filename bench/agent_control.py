"""Agent Control as a side: its server and the PostgreSQL that it needs, each started for the run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from processes import TICKS, Api, Child, Failed, cpu_seconds, environment, memory_mib, wait_until
from sides import Load, Tools

VERSION = "8.15.0"
AGENT = "bench-agent"
CONTROL = {
    "description": "Deals of these customers are not to be changed",
    "execution": "server",
    "scope": {"step_types": ["tool"], "step_names": ["update_deal"], "stages": ["pre"]},
    "condition": {
        "selector": {"path": "input.resource"},
        "evaluator": {"name": "regex", "config": {"pattern": "^crm:deny:"}},
    },
    "action": {"decision": "deny"},
}


class Missing(Exception):
    """Why it cannot be measured here."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def python() -> Path:
    """A Python that the server runs with: 3.12 or later."""
    found = [sys.executable, *filter(None, (shutil.which(f"python3.{minor}") for minor in (12, 13, 14)))]
    found += sorted(map(str, Path.home().glob(".pyenv/versions/3.1[2-9].*/bin/python")))
    for program in found:
        test = [program, "-c", "import sys; sys.exit(sys.version_info < (3, 12))"]
        if subprocess.run(test, capture_output=True, check=False).returncode == 0:
            return Path(program)
    raise Missing("it needs Python 3.12 or later, and there is none")


def installed(target: Path) -> Path:
    """The folder of its programs, in a virtual environment of its own."""
    programs = target / "agent-control" / "bin"
    if not (programs / "agent-control-server").exists():
        subprocess.run([python(), "-m", "venv", programs.parent], check=True)
        pip = [programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        ran = subprocess.run([*pip, f"agent-control-server=={VERSION}"], capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise Missing(f"agent-control-server {VERSION} was not to be had: {ran.stderr.strip()[-300:]}")
    return programs


class Postgres:
    """A database server in a folder of its own, as it is configured by default."""

    def __init__(self, folder: Path) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.stat().st_mtime)
        named = shutil.which("initdb")
        if not programs and not named:
            raise Missing("it needs PostgreSQL, and there is no `initdb`")
        self.bin = programs[-1].parent if programs else Path(str(named)).parent
        self.port = free_port()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # It refuses to run as root.
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
            self.user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        data = folder / "data"
        self.run("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
        self.log = (folder / "log").open("wb")
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        self.process = subprocess.Popen(
            [self.bin / "postgres", "-D", data, "-p", str(self.port), *options],
            stdout=self.log,
            stderr=self.log,
            cwd="/",
            **self.user,
        )
        wait_until("PostgreSQL", 30, self.ready)
        said = subprocess.run([self.bin / "postgres", "--version"], capture_output=True, text=True, check=True)
        self.version = said.stdout.split()[2]

    def run(self, program: str, *arguments: str | Path) -> None:
        ran = subprocess.run(
            [self.bin / program, *arguments], capture_output=True, text=True, check=False, cwd="/", **self.user
        )
        if ran.returncode != 0:
            raise Missing(f"`{program}` failed: {ran.stderr.strip()[-300:]}")

    def ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError("PostgreSQL did not start")
        arguments = ["-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run([self.bin / "pg_isready", *arguments], capture_output=True, check=False).returncode == 0

    def create(self, name: str) -> None:
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)

    def cpu(self) -> float:
        """Of all its processes, those that ended included."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        ended = (int(fields[13]) + int(fields[14])) / TICKS
        return ended + sum(cpu_seconds(pid) for pid in self.pids())

    def pids(self) -> list[int]:
        """The first and those that it started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def stop(self) -> None:
        if self.process.poll() is None:
            # Ends what is connected, too.
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)
        self.log.close()


class AgentControl:
    """One agent with one control that denies; each evaluation asks the database for both."""

    def __init__(self, tools: Tools, target: Path) -> None:
        programs = installed(target)
        folder = tools.work / "agent-control"
        folder.mkdir(parents=True, exist_ok=True)
        self.postgres = Postgres(folder / "postgres")
        try:
            self.start(tools, programs, folder)
        except BaseException:
            self.stop()
            raise

    child: Child | None = None

    def start(self, tools: Tools, programs: Path, folder: Path) -> None:
        self.postgres.create("agent_control")
        port = free_port()
        env = environment(
            {
                "AGENT_CONTROL_DB_HOST": "127.0.0.1",
                "AGENT_CONTROL_DB_PORT": str(self.postgres.port),
                "AGENT_CONTROL_DB_USER": "postgres",
                "AGENT_CONTROL_HOST": "127.0.0.1",
                "AGENT_CONTROL_PORT": str(port),
            }
        )
        migrate = [programs / "agent-control-migrate", "upgrade"]
        ran = subprocess.run(migrate, env=env, cwd=folder, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise Missing(f"its migrations failed: {ran.stderr.strip()[-300:]}")
        self.child = Child([programs / "agent-control-server"], folder / "server.log", env=env)
        assert self.child.process.stdout is not None
        self.child.drain(self.child.process.stdout)
        address = f"127.0.0.1:{port}"
        api = Api(address)
        wait_until("Agent Control", 60, lambda: api.ask("GET", "/health") is not None)
        api.ask("POST", "/api/v1/agents/initAgent", {"agent": {"agent_name": AGENT}})
        made = api.ask("PUT", "/api/v1/controls", {"name": "bench-deny", "data": CONTROL})
        api.ask("POST", f"/api/v1/agents/{AGENT}/controls/{made['control_id']}")
        self.load = Load(tools, address, pid=self.child.pid)
        self.bodies = tools.lines("agent-control.bodies", "bodies", "deny", "--agent-control")

    def evaluate(self, seconds: float) -> dict[str, Any]:
        before = self.postgres.cpu()
        measured = self.load.closed("/api/v1/evaluation", self.bodies, 64, seconds, expect='"is_safe":false')
        database = self.postgres.cpu() - before
        assert self.child is not None
        measured["resident_mib"] = memory_mib(self.child.pid)
        measured["database_cpu_us"] = database / max(measured["answers_with_warm_up"], 1) * 1e6
        return measured

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()
        self.postgres.stop()


def prepared(tools: Tools, target: Path) -> tuple[AgentControl | None, dict[str, str]]:
    """The side, and what it is; or none, and why."""
    try:
        side = AgentControl(tools, target)
    except (Missing, Failed, subprocess.CalledProcessError) as reason:
        return None, {"left_out": str(reason)}
    return side, {"version": VERSION, "postgres": side.postgres.version}


if __name__ == "__main__":
    # To try it alone: python3 bench/agent_control.py
    root = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).resolve().parent.parent / "target")).resolve()
    work = root / "bench" / "agent-control-work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    one, what = prepared(Tools(root / "release" / "relynt", root / "release" / "relynt-bench", work), root / "bench")
    print(json.dumps(what))
    if one is not None:
        try:
            print(json.dumps(one.evaluate(3.0), indent=1))
        finally:
            one.stop()
