"""`make bench`: every side in one run, alternately; the tables of `docs/performance.md` from what came of it.

    python3 bench/run.py [--minutes 15] [--rounds 5] [--no-build] [--no-docs] [--only REGEX]

In every round all sides are measured one after the other, so that whatever else the machine does
falls on all of them. Figures are medians over the rounds; a ratio is the median of the ratios of
each round, not the ratio of two medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import agent_control
import report
import sdk
import start
from processes import Failed, Peak, Watch, many_files, memory_mib
from sides import CANDIDATES, CERBOS, RULES, Cerbos, Hyper, Relynt, Side, Tools, cerbos_program

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# What stays out of the time that is divided between rounds: start, memory, waiters, open loop.
RECEIPTS = 1_000_000
OPEN_SECONDS = 60.0
WAITERS = 10_000


class Bench:
    gateway: Relynt | None = None
    full: Relynt | None = None

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.began = time.monotonic()
        self.target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
        work = self.target / "bench" / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        self.tools = Tools(self.target / "release" / "relynt", self.target / "release" / "relynt-bench", work)
        self.results: dict[str, Any] = {"sides": {}}
        self.sides: list[Side] = []
        self.stops: list[Any] = []

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:5.0f} s] {text}", file=sys.stderr, flush=True)

    def build(self) -> None:
        """Both binaries, for release."""
        packages = ["-p", "relynt-cli", "-p", "relynt-bench"]
        subprocess.run(["cargo", "build", "--locked", "--release", *packages], cwd=ROOT, check=True)

    def wanted(self, name: str) -> bool:
        return not self.options.only or re.search(self.options.only, name) is not None

    def add(self, name: str, run: Any, scale: float = 1.0) -> None:
        if self.wanted(name):
            self.sides.append(Side(name, run, scale))

    # --- rounds -------------------------------------------------------------------------------

    def prepare(self) -> None:
        tools = self.tools
        self.echo = Hyper(tools, "echo")
        self.target_server = Hyper(tools, "target", workers=1)
        self.denied = Hyper(tools, "denied")
        self.stops += [self.echo.child, self.target_server.child, self.denied.child]
        deny = tools.lines("deny.bodies", "bodies", "deny")
        gateway = self.fresh_gateway
        full = self.full_gateway

        self.add(
            "disk: append 800 bytes and sync",
            lambda s: tools.json("disk", "--folder", tools.work, "--seconds", str(s)),
            0.5,
        )
        for connections in (64, 256, 1):
            self.add(
                f"echo, {connections} connections",
                lambda s, n=connections: self.echo.load.closed("/", deny, n, s, "--order", "ordered"),
            )
            self.add(f"allow, {connections} connections", lambda s, n=connections: gateway().decide("allow", n, s))
            if connections == 64:
                self.add("deny, 64 connections", lambda s: gateway().decide("deny", 64, s))
                self.add("allow by a connector, 64 connections", lambda s: gateway().decide("run", 64, s))
                self.add("pending, new payloads, 64 connections", lambda s: gateway().pending(s))
                self.add("pending, joining, 64 connections", lambda s: gateway().joining(s))
                self.add("replay, 64 connections", lambda s: gateway().replay(s))
                self.add("simulate, 64 connections", lambda s: gateway().simulate(s))
        self.add("allow, 64 connections, 1 million receipts, ordered keys", lambda s: full().decide("allow", 64, s))
        self.add(
            "allow, 64 connections, 1 million receipts, random keys",
            lambda s: full().decide("allow", 64, s, order="random"),
        )
        for rules, candidates in ((10, 4), (10_000, 4), (100, 50), (10_000, 50)):
            arguments = ["evaluate", "--rules", str(rules), "--candidates", str(candidates)]
            self.add(
                f"evaluate, {rules} rules, {candidates} looked at",
                lambda s, a=arguments: tools.json(*a, "--seconds", str(s)),
                0.3,
            )
        self.prepare_cerbos()
        self.prepare_agent_control()
        if self.wanted("sdk"):
            self.say("building the Python package for release")
            self.python = sdk.environment_with_clients(self.target / "bench")
            self.sides += sdk.sides(self.python, self.denied)
        self.round = 0

    def disk(self, seconds: float) -> dict[str, Any]:
        os.sync()
        measured: dict[str, Any] = self.tools.json("disk", "--folder", self.tools.work, "--seconds", str(seconds))
        return measured

    def prepare_cerbos(self) -> None:
        if not self.wanted("cerbos"):
            return
        program = cerbos_program(self.target / "bench")
        self.results["cerbos"] = CERBOS if program else None
        if program is None:
            self.say("Cerbos is not to be had: its sides are left out")
            return
        for number, audit in enumerate(("off", "file", "local")):
            cerbos = Cerbos(self.tools, program, audit, 23_592 + 2 * number)
            self.stops.append(cerbos.child)
            self.add(f"cerbos, audit {audit}, 64 connections", cerbos.check)

    def prepare_agent_control(self) -> None:
        if not self.wanted("agent control"):
            return
        side, what = agent_control.prepared(self.tools, self.target / "bench")
        self.results["agent_control"] = what
        if side is None:
            self.say(f"Agent Control is left out: {what['left_out']}")
            return
        self.stops.append(side)
        self.add("agent control, 64 connections", side.evaluate)

    def fresh_gateway(self) -> Relynt:
        """A gateway whose store is new in every round, so that rounds are alike."""
        if self.gateway is None:
            self.gateway = Relynt(self.tools, f"round-{self.round}")
            self.gateway.prepare(self.target_server.address)
        return self.gateway

    def full_gateway(self) -> Relynt:
        """A gateway with a million receipts, half of them under random keys."""
        if self.full is None:
            self.full = self.fill("full", RECEIPTS // self.options.shrink)
        return self.full

    def fill(self, name: str, receipts: int) -> Relynt:
        began = Relynt(self.tools, name)
        began.prepare(None)
        secret = began.agent_secret
        began.stop()
        for order in ("random", "ordered"):
            self.say(f"filling a store with {receipts // 2} receipts, {order} keys")
            count = ["--count", str(receipts // 2), "--order", order]
            filled = self.tools.json("fill", "--folder", began.folder, *count, stdin=secret + "\n")
            self.results.setdefault("filled", []).append(filled | {"order": order})
        return Relynt(self.tools, name, agent_secret=secret)

    def rounds(self) -> None:
        if self.wanted("start") or any("1 million" in side.name for side in self.sides):
            self.full_gateway()
        left = self.options.minutes * 60 - (time.monotonic() - self.began) - self.reserved()
        shares = sum(side.scale for side in self.sides)
        overhead = 0.6 * len(self.sides) + 3
        seconds = (left / self.options.rounds - overhead) / max(shares, 1)
        seconds = min(max(seconds, 0.4), self.options.seconds)
        self.results["seconds_a_side"] = round(seconds, 2)
        os.sync()
        rounds = self.options.rounds
        for number in range(rounds):
            self.round = number
            self.say(f"round {number + 1} of {rounds}, {seconds:.1f} s a side, load {os.getloadavg()[0]:.1f}")
            for side in self.sides:
                measured = side.run(seconds * side.scale)
                side.results.append(measured)
                rate = measured.get("rate")
                said = f"{rate:,.0f}/s" if rate else f"{measured.get('nanos', 0):,.0f} ns"
                self.say(f"  {side.name}: {said}")
            if number + 1 < rounds and self.gateway is not None:
                self.gateway.remove()
                self.gateway = None
                os.sync()
        self.results["sides"] = {side.name: side.results for side in self.sides}
        # What follows is measured alone.
        for child in self.stops:
            child.stop()
        if self.gateway is not None:
            self.gateway.remove()
            self.gateway = None

    def reserved(self) -> float:
        """Seconds for what is measured once, after the rounds."""
        spent = 0.0
        for name, seconds in (("open", OPEN_SECONDS + 20), ("waiters", 25.0), ("start", 25.0), ("import", 15.0)):
            spent += seconds if self.wanted(name) else 0
        return spent

    # --- once, after the rounds -----------------------------------------------------------------

    def starts(self) -> None:
        """From the start of the process to the first answer, and what it holds when idle."""
        if not self.wanted("start"):
            return
        self.say("starts")
        full = self.full_gateway()
        full.stop()
        figures: dict[str, list[dict[str, float]]] = {
            "fresh folder": [],
            "existing folder": [],
            "1 million receipts": [],
        }
        for number in range(max(5, self.options.rounds)):
            folder = self.tools.work / f"start-{number}"
            first, secret = start.start(str(self.tools.relynt), str(folder), None)
            again, _ = start.start(str(self.tools.relynt), str(folder), secret)
            many, _ = start.start(str(self.tools.relynt), str(full.folder), full.agent_secret)
            figures["fresh folder"].append(first)
            figures["existing folder"].append(again)
            figures["1 million receipts"].append(many)
            shutil.rmtree(folder)
        self.results["starts"] = figures

    def waiters(self) -> None:
        """Callers that wait for one approval, and how soon all of them are told."""
        if not self.wanted("waiters"):
            return
        self.say(f"{WAITERS} waiting callers")
        gateway = Relynt(self.tools, "waiters")
        gateway.prepare(None)
        idle = memory_mib(gateway.child.pid)
        body = json.loads(self.tools.lines("ask.bodies", "bodies", "ask").read_text().splitlines()[0])
        answer = gateway.api.ask("POST", "/v1/agent-tool-call", body, gateway.agent_secret, key="waiters")
        approval = answer["approval_id"]
        path = f"/v1/approvals/{approval}?wait_ms=60000"
        arguments = ["--address", gateway.address, "--connections", str(WAITERS), "--path", path]
        waiting = subprocess.Popen(
            [self.tools.bench, "waiters", *arguments, "--headers", gateway.headers],
            stdout=subprocess.PIPE,
            preexec_fn=many_files,
        )
        assert waiting.stdout is not None
        if waiting.stdout.readline().strip() != b"ready":
            raise Failed("the callers could not wait")
        time.sleep(3)
        held = memory_mib(gateway.child.pid)
        with Peak(gateway.child.pid) as quiet:
            time.sleep(2)
        decided = time.time()
        gateway.api.ask("POST", f"/v1/approvals/{approval}/decision", {"decision": "deny"}, gateway.token)
        told = json.loads(waiting.communicate(timeout=90)[0])
        self.results["waiters"] = told | {
            "idle_mib": idle,
            "resident_mib": held,
            "cpu_share_while_waiting": quiet.cpu_s / 2,
            "last_told_after_s": (told["last_answer_at"] or 0) - decided,
        }
        gateway.remove()

    def open_loop(self) -> None:
        """Twice the rate that the closed loop reached just before, for a minute; and how soon all is well again."""
        if not self.wanted("open"):
            return
        gateway = Relynt(self.tools, "open")
        gateway.prepare(None)
        before = gateway.decide("allow", 64, 4)
        self.say(f"open loop at twice {before['rate']:,.0f}/s")
        seconds = min(self.options.open_seconds, OPEN_SECONDS)
        arguments: list[str | Path] = ["open", "--address", gateway.address, "--path", "/v1/agent-tool-call"]
        arguments += ["--bodies", self.tools.lines("allow.bodies", "bodies", "allow"), "--headers", gateway.headers]
        arguments += ["--order", "ordered", "--connections", str(self.options.open_connections)]
        arguments += ["--expect", '"allow"', "--rate", str(2 * before["rate"]), "--seconds", str(seconds)]
        with Peak(gateway.child.pid) as peak, Watch(gateway.child.pid) as watch:
            # What has no answer half a second after the last was sent has none.
            opened = self.tools.json(*arguments, "--tail", "0.5")
        began = time.time()
        after = gateway.decide("allow", 64, 1, "--warm-up", "0.1")
        after["from_s_after_the_sending"] = began + 0.1 - opened["sending_ended_at"]
        opened["memory_halves_mib"] = watch.halves()
        self.results["open"] = {
            "before": before,
            "open": opened | {"peak_mib": peak.most_mib, "seconds_of_sending": seconds},
            "after": after,
        }
        gateway.remove()

    def imports(self) -> None:
        if self.wanted("import") and self.wanted("sdk"):
            self.say("imports")
            self.results["imports"] = sdk.imports(self.python, self.options.rounds)

    # --- all of it ------------------------------------------------------------------------------

    def machine(self) -> dict[str, Any]:
        def said(*arguments: str) -> str:
            ran = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=False)
            return ran.stdout.strip().splitlines()[0] if ran.returncode == 0 and ran.stdout.strip() else "unknown"

        model = "unknown"
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
        memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
        return {
            "cpu": model,
            "cores": os.cpu_count(),
            "memory_gib": round(memory, 1),
            "kernel": platform.release(),
            "file_system": said("stat", "--file-system", "--format=%T", str(self.tools.work)),
            "rustc": said("rustc", "--version"),
            "python": platform.python_version(),
            "commit": said("git", "rev-parse", "--short", "HEAD"),
            "clean": said("git", "status", "--porcelain") == "unknown",
            "load_at_start": os.getloadavg()[0],
            "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        }

    def run(self) -> Path:
        self.results["machine"] = self.machine()
        if not self.options.no_build:
            self.say("building for release")
            self.build()
        try:
            self.prepare()
            self.rounds()
            self.waiters()
            self.open_loop()
            self.starts()
            self.imports()
        finally:
            for child in self.stops + [one.child for one in (self.gateway, self.full) if one is not None]:
                child.stop()
            shutil.rmtree(self.tools.work, ignore_errors=True)
        self.results["minutes"] = (time.monotonic() - self.began) / 60
        self.results["load_at_end"] = os.getloadavg()[0]
        self.results["options"] = {
            "rounds": self.options.rounds,
            "rules": RULES,
            "candidates": CANDIDATES,
            "receipts": RECEIPTS // self.options.shrink,
        }
        folder = HERE / "results"
        folder.mkdir(exist_ok=True)
        file = folder / time.strftime("%Y%m%d-%H%M%S.json", time.gmtime())
        file.write_text(json.dumps(self.results, indent=1) + "\n")
        return file


def main() -> int:
    parser = argparse.ArgumentParser(description="every side in one run, alternately")
    parser.add_argument("--minutes", type=float, default=15, help="what it may take, the build included")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5, help="the most a side is measured in a round")
    parser.add_argument("--open-seconds", type=float, default=OPEN_SECONDS)
    parser.add_argument("--open-connections", type=int, default=8192)
    parser.add_argument("--shrink", type=int, default=1, help="divide the million receipts, to try the harness")
    what = "sides by their names; sdk, cerbos, agent control, start, waiters, open, import"
    parser.add_argument("--only", metavar="REGEX", help=f"measure only what matches ({what})")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/performance.md as it is")
    options = parser.parse_args()
    try:
        file = Bench(options).run()
    except Failed as failed:
        print(f"the benchmark failed: {failed}", file=sys.stderr)
        return 1
    results = json.loads(file.read_text())
    print(report.text(results))
    if not options.no_docs and not options.only:
        report.write(results)
    print(f"raw figures: {file.relative_to(ROOT)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
