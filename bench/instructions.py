"""How many instructions the hot path takes: a guard that noise cannot trip.

    python3 bench/instructions.py [--binary target/release/hot-path] [--write] [--only WAY]

Each way is run twice under callgrind, with few and with many calls; the difference, divided by the
calls in between, is what one call takes, whatever start and end cost. It fails if a way takes more
than 3 % more or less than `bench/instructions.json` says. Less is no reason to worry, but a reason
to write the new count down (`--write`), so that the next step back is seen.

Counts depend on compiler, profile and processor family: the file names them, and on another kind
of machine the counts are shown and not compared.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FILE = HERE / "instructions.json"
# Few, many: far enough apart for the difference to be steady.
WAYS = {
    "parse": (200, 2000),
    "evaluate": (200, 2000),
    "simulate": (100, 1100),
    "deny": (100, 700),
    "allow": (100, 700),
    "ask": (100, 700),
}
MOST = 0.03


def collected(binary: Path, way: str, count: int, out: str = "/dev/null") -> int:
    """Instructions of one run."""
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", binary, way, str(count), f"{folder}/store"],
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode != 0 or found is None:
        sys.exit(f"`hot-path {way} {count}` failed under callgrind:\n{ran.stderr[-2000:]}")
    return int(found[1])


def a_call(binary: Path, way: str) -> int:
    few, many = WAYS[way]
    return round((collected(binary, way, many) - collected(binary, way, few)) / (many - few))


def kind() -> dict[str, str]:
    """What counts can be compared on."""
    rustc = subprocess.run(["rustc", "--version"], cwd=ROOT, capture_output=True, text=True, check=True)
    vendor = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("vendor_id"):
            vendor = line.split(":", 1)[1].strip()
    return {"rustc": rustc.stdout.split()[1], "machine": platform.machine(), "vendor": vendor}


def main() -> int:
    parser = argparse.ArgumentParser(description="how many instructions the hot path takes")
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "release" / "hot-path")
    parser.add_argument("--write", action="store_true", help="write the counts down instead of comparing them")
    parser.add_argument("--only", choices=sorted(WAYS))
    options = parser.parse_args()
    try:
        subprocess.run(["valgrind", "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        sys.exit("valgrind is needed: the package `valgrind` of the system has it")
    ways = [options.only] if options.only else list(WAYS)
    known: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {"kind": {}, "instructions": {}}
    comparable = known["kind"] == kind()
    counts, failed = {}, 0
    for way in ways:
        counts[way] = a_call(options.binary, way)
        before = known["instructions"].get(way)
        change = (counts[way] - before) / before if before else None
        beyond = comparable and not options.write and (change is None or abs(change) > MOST)
        failed += beyond
        said = "" if change is None else f"  {change:+.2%}"
        print(f"{way:<10}{counts[way]:>12,} instructions a call{said}{'  FAILED' if beyond else ''}", flush=True)
    if options.write:
        known = {"kind": kind(), "instructions": known["instructions"] | counts}
        FILE.write_text(json.dumps(known, indent=1) + "\n")
        return 0
    if not comparable:
        print(f"not compared: counted on {known['kind']}, this is {kind()}")
    if failed:
        print(f"{failed} beyond {MOST:.0%}; if that is meant: python3 bench/instructions.py --write", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
