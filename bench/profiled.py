"""Where the time of a call goes: `perf` on the release binary under load.

    python3 bench/profiled.py [--outcome allow] [--connections 64] [--order ordered] [--seconds 10] [--keep FILE]

Starts a gateway with the sample policy, loads it with the closed loop, and prints the share of each
thread and of each function, together with rate and CPU of the same seconds. Needs `perf`, and
`kernel.perf_event_paranoid` at most 1 (or root) for the kernel's part.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from processes import Failed
from sides import Hyper, Relynt, Tools

ROOT = Path(__file__).resolve().parent.parent


def reported(data: Path, sort: str, lines: int) -> str:
    arguments = ["perf", "report", "--input", data, "--no-children", "--call-graph=none", "--stdio", "--sort", sort]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=True)
    kept = [line.rstrip() for line in ran.stdout.splitlines() if line.strip() and not line.startswith("#")]
    return "\n".join(kept[:lines])


def main() -> int:
    parser = argparse.ArgumentParser(description="where the time of a call goes")
    parser.add_argument("--outcome", choices=["deny", "allow", "run", "ask", "simulate"], default="allow")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--order", choices=["ordered", "random"], default="ordered")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--functions", type=int, default=60, help="how many are shown")
    parser.add_argument("--keep", type=Path, help="keep what perf recorded here, with call graphs")
    parser.add_argument("--no-build", action="store_true")
    options = parser.parse_args()
    if shutil.which("perf") is None:
        sys.exit("`perf` is needed: the package `linux-perf` or `linux-tools` of the system has it")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    if not options.no_build:
        packages = ["-p", "relynt-cli", "-p", "relynt-bench"]
        subprocess.run(["cargo", "build", "--locked", "--release", *packages], cwd=ROOT, check=True)
    work = target / "bench" / "profile"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    tools = Tools(target / "release" / "relynt", target / "release" / "relynt-bench", work)
    data = options.keep or work / "perf.data"
    performer = Hyper(tools, "target", workers=1)
    gateway = Relynt(tools, "profiled")
    try:
        gateway.prepare(performer.address)
        measured: list[dict[str, Any]] = []

        def load() -> None:
            if options.outcome == "simulate":
                measured.append(gateway.simulate(options.seconds + 1))
            else:
                how = {"order": options.order}
                measured.append(gateway.decide(options.outcome, options.connections, options.seconds + 1, **how))

        loading = threading.Thread(target=load)
        loading.start()
        # Frame pointers are not in the binary: the stack is copied, where a call graph is wanted.
        graph = ["--call-graph", "dwarf,16384"] if options.keep else []
        recording = ["perf", "record", "--quiet", "--freq", "1999", *graph, "--output", data]
        recording += ["--pid", str(gateway.child.pid), "--", "sleep", str(options.seconds)]
        ran = subprocess.run(recording, capture_output=True, text=True, check=False)
        loading.join()
        if ran.returncode != 0 or not measured:
            raise Failed(f"nothing was recorded: {ran.stderr.strip()[-1000:]}")
        one = measured[0]
        wanted = ("rate", "cpu_us", "refused", "latency_us")
        print(json.dumps({name: one[name] for name in wanted}))
        print(f"\nby thread\n{reported(data, 'comm', 20)}")
        print(f"\nby library\n{reported(data, 'dso', 10)}")
        print(f"\nby function\n{reported(data, 'dso,symbol', options.functions)}")
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    finally:
        gateway.remove()
        performer.child.stop()
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
