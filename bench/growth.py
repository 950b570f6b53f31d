"""`make bench-growth`: how the figures grow with what there is.

    python3 bench/growth.py [--receipts 1000000] [--only CURVE ...] [--seconds 2] [--rounds 3] [--minutes 60]

Curves over rules, connections, payload size, organizations, waiting callers and receipts stored
(filled through the store's own code). Writes `bench/results/growth.json` and puts the tables into
`docs/performance.md`; curves that were not asked for stay as they are. Ten million receipts need
some 25 GB of disk and, for both orders of keys, about half an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import report
from processes import Failed, environment, many_files, memory_mib
from sides import Hyper, Relynt, Tools

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
Point = dict[str, Any]
# Filled at a time: between two the clock is looked at.
CHUNK = 1_000_000
# What a store with many receipts is compared with.
FEW = 10_000


class Growth:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.end = time.monotonic() + options.minutes * 60
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
        work = target / "bench" / "growth"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        self.tools = Tools(target / "release" / "relynt", target / "release" / "relynt-bench", work)

    def figures(self, runs: list[Point]) -> Point:
        """The median of some rounds."""
        middle = statistics.median
        return {
            "rate": round(middle(run["rate"] for run in runs)),
            "p50_us": round(middle(run["latency_us"]["p50"] for run in runs)),
            "p99_us": round(middle(run["latency_us"]["p99"] for run in runs)),
            "cpu_us": round(middle(run["cpu_us"] for run in runs), 1),
            "peak_mib": round(max(run["peak_mib"] for run in runs), 1),
            "refused": sum(run["refused"] for run in runs),
        }

    def measured(self, gateway: Relynt, connections: int = 64, **how: Any) -> Point:
        seconds, rounds = self.options.seconds, self.options.rounds
        return self.figures([gateway.decide("allow", connections, seconds, **how) for _ in range(rounds)])

    def rules(self) -> Iterator[Point]:
        """Rules, 4 of which the request has to look at; 10,000 is the most that a policy may have."""
        gateway = Relynt(self.tools, "rules")
        for rules in (10, 100, 1_000, 10_000):
            made = self.tools.json("rules", "--rules", str(rules), "--candidates", "4")
            gateway.activate(made)
            alone = self.tools.json("evaluate", "--rules", str(rules), "--candidates", "4")
            yield {"rules": rules} | self.measured(gateway) | {"evaluate_ns": round(alone["nanos"])}
        gateway.remove()

    def connections(self) -> Iterator[Point]:
        """Connections, each with one call at a time, beside the bare echo."""
        gateway, echo = Relynt(self.tools, "connections"), Hyper(self.tools, "echo")
        try:
            gateway.prepare(None)
            bodies = self.tools.lines("deny.bodies", "bodies", "deny")
            for connections in (1, 4, 16, 64, 256, 1_024):
                pairs = []
                for _ in range(self.options.rounds):
                    seconds = self.options.seconds
                    bare = echo.load.closed("/", bodies, connections, seconds, "--order", "ordered")
                    pairs.append((gateway.decide("allow", connections, seconds), bare["rate"]))
                point = self.figures([ours for ours, _ in pairs])
                ratio = statistics.median(ours["rate"] / bare for ours, bare in pairs)
                echoed = round(statistics.median(bare for _, bare in pairs))
                yield {"connections": connections} | point | {"echo_rate": echoed, "of_echo": round(ratio, 3)}
        finally:
            echo.child.stop()
        gateway.remove()

    def payload(self) -> Iterator[Point]:
        """Bytes of a body; 256 KiB is the most."""
        gateway = Relynt(self.tools, "payload")
        gateway.prepare(None)
        for padding in (0, 1_000, 10_000, 100_000, 250_000):
            made = self.tools.lines(f"padded-{padding}", "bodies", "allow", "--padding", str(padding), "--count", "100")
            yield {"bytes": 300 + padding} | self.measured(gateway, bodies=made)
        gateway.remove()

    def organizations(self) -> Iterator[Point]:
        """Organizations, each with the policy and an agent of its own; the calls are spread over all of them."""
        for count in (1, 10, 100):
            began = Relynt(self.tools, f"organizations-{count}")
            began.prepare(None)
            secrets, tokens = [began.agent_secret], []
            began.stop()
            for number in range(1, count):
                create = [self.tools.relynt, "organizations", "create", "--json", "--data", began.folder]
                create += ["--owner", f"owner{number}@example.com", f"Organization {number}"]
                made = subprocess.run(create, env=environment(), capture_output=True, text=True, check=False)
                if made.returncode != 0:
                    raise Failed(f"no organization was made: {made.stderr[-500:]}")
                tokens.append(json.loads(made.stdout)["access_token"])
            gateway = Relynt(self.tools, f"organizations-{count}", agent_secret=began.agent_secret)
            for token in tokens:
                secrets.append(gateway.agent_of(token))
            idle = memory_mib(gateway.child.pid)
            credentials = self.tools.work / "credentials"
            credentials.touch(mode=0o600)
            credentials.write_text("\n".join(secrets) + "\n")
            point = self.measured(gateway, credentials=credentials)
            yield {"organizations": count} | point | {"before_the_load_mib": round(idle, 1)}
            gateway.remove()

    def waiters(self) -> Iterator[Point]:
        """Callers that wait for one approval, while 64 others go on."""
        body = json.loads(self.tools.lines("ask.bodies", "bodies", "ask").read_text().splitlines()[0])
        for waiting in (10, 100, 1_000, 10_000):
            gateway = Relynt(self.tools, "waiters")
            gateway.prepare(None)
            asked = gateway.api.ask("POST", "/v1/agent-tool-call", body, gateway.agent_secret, key="waiters")
            # The longest that may be waited for, so that nobody is answered before the load is over.
            path = f"/v1/approvals/{asked['approval_id']}?wait_ms=60000"
            arguments = ["--address", gateway.address, "--connections", str(waiting), "--path", path]
            callers = subprocess.Popen(
                [self.tools.bench, "waiters", *arguments, "--headers", gateway.headers],
                stdout=subprocess.PIPE,
                preexec_fn=many_files,
            )
            assert callers.stdout is not None
            try:
                if callers.stdout.readline().strip() != b"ready":
                    raise Failed("the callers could not wait")
                time.sleep(1)
                held = memory_mib(gateway.child.pid)
                point = self.measured(gateway)
                if callers.poll() is not None:
                    raise Failed("the callers did not wait until the end of the load")
            finally:
                callers.kill()
                callers.wait()
            yield {"waiting": waiting, "resident_mib": round(held, 1)} | point
            gateway.remove()

    # --- receipts -------------------------------------------------------------------------------

    def receipts(self) -> Iterator[Point]:
        """Receipts stored; one store for each order of keys.

        Where there are few, each round has a copy of the store: otherwise the load itself would
        make many of them. In the end the greatest store and the one with ten thousand are measured
        alternately, and what is kept of the rate is the median of the ratios of each round.
        """
        for order in self.options.orders:
            yield from self.receipts_of(order)

    def receipts_of(self, order: str) -> Iterator[Point]:
        began = Relynt(self.tools, f"receipts-{order}")
        began.prepare(None)
        secret, name = began.agent_secret, f"receipts-{order}"
        began.stop()
        few, stored, wanted = self.tools.work / f"few-{order}", 0, FEW
        while True:
            more = 0
            while stored + more < wanted and (wanted == FEW or time.monotonic() < self.end):
                now = min(CHUNK, wanted - stored - more)
                filled = self.tools.json(
                    *("fill", "--folder", began.folder, "--count", str(now), "--order", order), stdin=secret + "\n"
                )
                more += now
                print(f"  {order}: {stored + more:,} receipts, {filled['rate']:,.0f} a second", flush=True)
            if not more:
                print(f"  the time was up before there were {wanted:,}", flush=True)
                break
            stored += more
            runs = []
            if wanted == FEW:
                self.copy(began.folder, few)
            if stored < CHUNK:
                for _ in range(self.options.rounds):
                    runs.append(self.on_a_copy(began.folder, secret, order))
            else:
                gateway = Relynt(self.tools, name, agent_secret=secret)
                runs += [
                    gateway.decide("allow", 64, self.options.seconds, order=order) for _ in range(self.options.rounds)
                ]
                gateway.stop()
            size = {"database_mib": filled["database_bytes"] >> 20, "filled_a_second": round(filled["rate"])}
            yield {"keys": order, "receipts": stored} | self.figures(runs) | size
            if stored >= CHUNK:
                stored += sum(run["answers_with_warm_up"] for run in runs)
            if wanted >= self.options.receipts:
                break
            wanted *= 10
        if stored > FEW:
            yield self.kept(order, stored, began.folder, few, secret)
        shutil.rmtree(began.folder)
        shutil.rmtree(few)

    def kept(self, order: str, stored: int, many: Path, few: Path, secret: str) -> Point:
        """The greatest store against ten thousand, alternately: at least five times."""
        pairs = []
        for _ in range(max(5, self.options.rounds)):
            small = self.on_a_copy(few, secret, order)
            # Both begin with nothing in their own memory; and a folder's ports are one gateway's.
            gateway = Relynt(self.tools, many.name, agent_secret=secret)
            great = gateway.decide("allow", 64, self.options.seconds, order=order)
            gateway.stop()
            pairs.append((great, small))
        ratios = sorted(great["rate"] / small["rate"] for great, small in pairs)
        return {
            "keys": order,
            "receipts": stored,
            **self.figures([great for great, _ in pairs]),
            "rate_at_10_000": round(statistics.median(small["rate"] for _, small in pairs)),
            "p99_us_at_10_000": round(statistics.median(small["latency_us"]["p99"] for _, small in pairs)),
            "kept": round(statistics.median(ratios), 3),
            "kept_least": round(ratios[0], 3),
            "kept_most": round(ratios[-1], 3),
        }

    def copy(self, folder: Path, to: Path) -> None:
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(folder, to)

    def on_a_copy(self, folder: Path, secret: str, order: str) -> Point:
        self.copy(folder, self.tools.work / "copy")
        os.sync()
        gateway = Relynt(self.tools, "copy", agent_secret=secret)
        run = gateway.decide("allow", 64, self.options.seconds, order=order)
        gateway.remove()
        return run

    # --- all of it ------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        curves: dict[str, Callable[[], Iterator[Point]]] = {name: getattr(self, name) for name in CURVES}
        found: dict[str, Any] = {}
        try:
            for name, curve in curves.items():
                if self.options.only and name not in self.options.only:
                    continue
                if time.monotonic() > self.end:
                    print(f"{name}: left out, the time is up", flush=True)
                    continue
                print(f"{name}: {(curve.__doc__ or '').strip().splitlines()[0]}", flush=True)
                points = []
                for point in curve():
                    points.append(point)
                    print(json.dumps(point), flush=True)
                found[name] = {"points": points, **self.circumstances()}
        finally:
            shutil.rmtree(self.tools.work, ignore_errors=True)
        return found

    def circumstances(self) -> dict[str, Any]:
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return {
            "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "commit": commit.stdout.strip() or "unknown",
            "cores": os.cpu_count(),
            "seconds": self.options.seconds,
            "rounds": self.options.rounds,
            "load": round(os.getloadavg()[0], 1),
        }


CURVES = ["rules", "connections", "payload", "organizations", "waiters", "receipts"]


def main() -> int:
    parser = argparse.ArgumentParser(description="how the figures grow with what there is")
    parser.add_argument("--receipts", type=int, default=1_000_000, help="the most; at least 10,000")
    parser.add_argument("--orders", nargs="+", choices=["ordered", "random"], default=["ordered", "random"])
    parser.add_argument("--only", nargs="+", choices=CURVES)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60, help="after that nothing more is begun or filled")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/performance.md as it is")
    options = parser.parse_args()
    if not options.no_build:
        packages = ["-p", "relynt-cli", "-p", "relynt-bench"]
        subprocess.run(["cargo", "build", "--locked", "--release", *packages], cwd=ROOT, check=True)
    try:
        found = Growth(options).run()
    except Failed as failed:
        print(f"the benchmark failed: {failed}", file=sys.stderr)
        return 1
    print(report.growth_text(found))
    if not options.no_docs:
        report.write_growth(found)
    file = HERE / "results" / time.strftime("growth-%Y%m%d-%H%M%S.json", time.gmtime())
    file.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nraw figures: {file.relative_to(ROOT)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
