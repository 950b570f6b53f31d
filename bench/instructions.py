"""How many instructions the hot path takes: a guard that noise cannot trip.

    python3 bench/instructions.py [--binary target/counted/hot-path] [--write] [--only WAY]

Each way is run twice under callgrind, with few and with many calls; the difference, divided by the
calls in between, is what one call takes, whatever start and end cost. It fails if a way takes more
than 3 % more or less than `bench/instructions.json` says. Less is no reason to worry, but a reason
to write the new count down (`make bench-instructions-write`), so that the next step back is seen.

The processor does not matter: what asks for its kind (the C library, the cryptography) is shown the
one that valgrind plays, on every host with AVX2. Compilers, C library and valgrind itself do: the
file names those it was written with. On others the counts are compared all the same, because a
count within 3 % is one whatever made it; where one is beyond, the difference in tools is told.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FILE = HERE / "instructions.json"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
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
# What an allocation costs the C library depends on what it happens to have at hand, by 7 % of a
# call from one run to the next. With everything kept in lists of its own it always costs the same.
ALLOCATOR = {
    "mxfast": 0,
    "arena_max": 1,
    "tcache_count": 2_000,
    "top_pad": 1 << 28,
    "trim_threshold": 1 << 32,
    "mmap_threshold": 1 << 32,
}
TUNABLES = ":".join(f"glibc.malloc.{name}={value}" for name, value in ALLOCATOR.items())


def collected(binary: Path, way: str, count: int, out: str = "/dev/null") -> int:
    """Instructions of one run, all threads together."""
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            # Threads take turns in the order in which they ask, not as the kernel likes.
            [
                *("valgrind", "--tool=callgrind", "--fair-sched=yes", f"--callgrind-out-file={out}"),
                *(str(binary), way, str(count), f"{folder}/store"),
            ],
            capture_output=True,
            text=True,
            check=False,
            # Nothing of the caller's surroundings: they are copied and searched.
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "GLIBC_TUNABLES": TUNABLES},
        )
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode != 0 or found is None:
        sys.exit(f"`hot-path {way} {count}` failed under callgrind:\n{ran.stderr[-2000:]}")
    return int(found[1])


def first_line(*command: str) -> str:
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()[0]


def kind() -> dict[str, str]:
    """What counts depend on."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return {
        "machine": platform.machine() + (" with AVX2" if re.search(r"\bavx2\b", flags) else ""),
        "rustc": first_line("rustc", "--version"),
        "cc": first_line("cc", "--version"),
        "libc": os.confstr("CS_GNU_LIBC_VERSION") or "unknown",
        "valgrind": first_line("valgrind", "--version"),
    }


def count_all(binary: Path, ways: list[str]) -> dict[str, int]:
    """Instructions a call, of each way; two runs at a time, which do not change each other's counts."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = {(way, count): pool.submit(collected, binary, way, count) for way in ways for count in WAYS[way]}
        found = {run: future.result() for run, future in runs.items()}
    return {
        way: round((found[way, many] - found[way, few]) / (many - few)) for way in ways for few, many in [WAYS[way]]
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="how many instructions the hot path takes")
    parser.add_argument("--binary", type=Path, default=TARGET / "counted" / "hot-path")
    parser.add_argument("--write", action="store_true", help="write the counts down instead of comparing them")
    parser.add_argument("--only", choices=sorted(WAYS))
    parser.add_argument("--profile", type=Path, help="keep what callgrind found of the way of `--only` here")
    options = parser.parse_args()
    if options.profile:
        if not options.only:
            parser.error("--profile needs --only: a profile is of one way")
        count = WAYS[options.only][1]
        print(f"{collected(options.binary, options.only, count, str(options.profile)):,} instructions, {count} calls")
        return 0
    try:
        here = kind()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"valgrind, rustc and cc are needed: {error}")
    ways = [options.only] if options.only else list(WAYS)
    known: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {"kind": {}, "instructions": {}}
    counts = count_all(options.binary, ways)
    if options.write:
        # Counts of two kinds do not go into one file.
        kept = known["instructions"] if known["kind"] == here else {}
        FILE.write_text(json.dumps({"kind": here, "instructions": kept | counts}, indent=1) + "\n")
        print(json.dumps(counts, indent=1))
        return 0
    failed = 0
    for way, found in counts.items():
        before = known["instructions"].get(way)
        change = (found - before) / before if before else None
        beyond = change is None or abs(change) > MOST
        failed += beyond
        said = "never written down" if change is None else f"{change:+.2%} of {before:,}"
        print(f"{way:<10}{found:>12,} instructions a call  {said}{'  FAILED' if beyond else ''}", flush=True)
    for name, value in here.items():
        if known["kind"].get(name) != value:
            print(f"{name}: {value}; the counts were written with {known['kind'].get(name)}")
    if failed:
        print(f"{failed} beyond {MOST:.0%}; if that is meant: make bench-instructions-write")
    # What the test run reads.
    print(f"instructions: {len(counts) - failed} passed, {failed} failed", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
