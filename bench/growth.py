"""`make bench-growth`: how the figures grow with what there is.

    python3 bench/growth.py [--receipts 1000000] [--only CURVE] [--seconds 2] [--rounds 3]

Curves over rules, receipts stored (filled through the store's own code), connections, payload size
and waiting long-polls. Writes `bench/results/growth-….json` and puts the tables into
`docs/performance.md`. Ten million receipts need some 25 GB of disk and a quarter of an hour.
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
from processes import Failed, many_files, memory_mib
from sides import Hyper, Relynt, Tools

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
Point = dict[str, Any]


class Growth:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
        work = target / "bench" / "growth"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        self.tools = Tools(target / "release" / "relynt", target / "release" / "relynt-bench", work)

    def measured(self, gateway: Relynt, connections: int = 64, **how: Any) -> Point:
        """The median of some rounds."""
        runs = [gateway.decide("allow", connections, self.options.seconds, **how) for _ in range(self.options.rounds)]
        middle = statistics.median
        return {
            "rate": round(middle(run["rate"] for run in runs)),
            "p50_us": middle(run["latency_us"]["p50"] for run in runs),
            "p99_us": middle(run["latency_us"]["p99"] for run in runs),
            "cpu_us": round(middle(run["cpu_us"] for run in runs), 1),
            "peak_mib": round(max(run["peak_mib"] for run in runs), 1),
            "refused": sum(run["refused"] for run in runs),
        }

    def rules(self) -> Iterator[Point]:
        """Rules, 4 of which the request has to look at; 10,000 is the most that a policy may have."""
        gateway = Relynt(self.tools, "rules")
        for rules in (10, 100, 1_000, 10_000):
            made = self.tools.json("rules", "--rules", str(rules), "--candidates", "4")
            gateway.activate(made)
            alone = self.tools.json("evaluate", "--rules", str(rules), "--candidates", "4")
            yield {"rules": rules} | self.measured(gateway) | {"evaluate_ns": round(alone["nanos"])}
        gateway.remove()

    def receipts(self) -> Iterator[Point]:
        """Receipts stored; one store for each order of keys."""
        for order in ("ordered", "random"):
            began = Relynt(self.tools, f"receipts-{order}")
            began.prepare(None)
            secret, stored, count = began.agent_secret, 0, 10_000
            began.stop()
            while count <= self.options.receipts:
                filling: list[str | Path] = [
                    "fill",
                    "--folder",
                    began.folder,
                    "--count",
                    str(count - stored),
                    "--order",
                    order,
                ]
                filled = self.tools.json(*filling, stdin=secret + "\n")
                stored = count
                gateway = Relynt(self.tools, f"receipts-{order}", agent_secret=secret)
                point = self.measured(gateway, order=order)
                gateway.stop()
                size = {"database_mib": filled["database_bytes"] >> 20, "filled_a_second": round(filled["rate"])}
                yield {"keys": order, "receipts": count} | point | size
                count *= 10
            shutil.rmtree(began.folder)

    def connections(self) -> Iterator[Point]:
        """Connections, each with one call at a time, beside the bare echo."""
        gateway, echo = Relynt(self.tools, "connections"), Hyper(self.tools, "echo")
        gateway.prepare(None)
        bodies = self.tools.lines("deny.bodies", "bodies", "deny")
        for connections in (1, 4, 16, 64, 256, 1_024):
            bare = echo.load.closed("/", bodies, connections, self.options.seconds, "--order", "ordered")
            point = self.measured(gateway, connections)
            yield {"connections": connections} | point | {"echo_rate": round(bare["rate"])}
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

    def waiters(self) -> Iterator[Point]:
        """Callers that wait for one approval."""
        body = json.loads(self.tools.lines("ask.bodies", "bodies", "ask").read_text().splitlines()[0])
        for waiting in (10, 100, 1_000, 10_000):
            gateway = Relynt(self.tools, "waiters")
            gateway.prepare(None)
            asked = gateway.api.ask("POST", "/v1/agent-tool-call", body, gateway.agent_secret, key="waiters")
            path = f"/v1/approvals/{asked['approval_id']}?wait_ms=60000"
            arguments = ["--address", gateway.address, "--connections", str(waiting), "--path", path]
            callers = subprocess.Popen(
                [self.tools.bench, "waiters", *arguments, "--headers", gateway.headers],
                stdout=subprocess.PIPE,
                preexec_fn=many_files,
            )
            assert callers.stdout is not None
            if callers.stdout.readline().strip() != b"ready":
                raise Failed("the callers could not wait")
            time.sleep(1)
            held = memory_mib(gateway.child.pid)
            point = self.measured(gateway)
            callers.kill()
            callers.wait()
            yield {"waiting": waiting, "resident_mib": round(held, 1)} | point
            gateway.remove()

    def run(self) -> dict[str, list[Point]]:
        curves: dict[str, Callable[[], Iterator[Point]]] = {
            "rules": self.rules,
            "connections": self.connections,
            "payload": self.payload,
            "waiters": self.waiters,
            "receipts": self.receipts,
        }
        found: dict[str, list[Point]] = {}
        try:
            for name, curve in curves.items():
                if self.options.only not in (None, name):
                    continue
                print(f"{name}: {(curve.__doc__ or '').strip()}", flush=True)
                found[name] = []
                for point in curve():
                    found[name].append(point)
                    print(json.dumps(point), flush=True)
        finally:
            shutil.rmtree(self.tools.work, ignore_errors=True)
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description="how the figures grow with what there is")
    parser.add_argument("--receipts", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["rules", "connections", "payload", "waiters", "receipts"])
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
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
    if options.only is None and not options.no_docs:
        report.write_growth(found)
    file = HERE / "results" / time.strftime("growth-%Y%m%d-%H%M%S.json", time.gmtime())
    file.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nraw figures: {file.relative_to(ROOT)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
