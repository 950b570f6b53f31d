"""Runs every test runner, shows what each says, and ends with their totals.

The numbers are read from the runners' own summaries; a runner whose summary is missing has failed.
A skipped test is a failure: nothing passes because something is not there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Totals:
    passed: int
    failed: int
    skipped: int


def count(text: str, *words: str) -> int:
    """The sum of the numbers before these words."""
    return sum(int(number) for word in words for number in re.findall(rf"(\d+) {word}\b", text))


def nextest(output: str) -> Totals | None:
    summaries = re.findall(r"^\s*Summary \[.*$", output, re.MULTILINE)
    if not summaries:
        return None
    line = summaries[-1]
    return Totals(count(line, "passed"), count(line, "failed", "timed out", "exec failed"), count(line, "skipped"))


def doc_tests(output: str) -> Totals | None:
    lines = re.findall(r"^test result: .*$", output, re.MULTILINE)
    if not lines:
        return None
    text = "\n".join(lines)
    return Totals(count(text, "passed"), count(text, "failed"), count(text, "ignored"))


def pytest(output: str) -> Totals | None:
    summaries = re.findall(r"^=*\s?((?:\d+ \w+, )*\d+ \w+) in [\d.]+s", output, re.MULTILINE)
    if not summaries:
        return None
    line = summaries[-1]
    skipped = count(line, "skipped", "xfailed", "xpassed", "deselected")
    return Totals(count(line, "passed"), count(line, "failed", "error", "errors"), skipped)


def instructions(output: str) -> Totals | None:
    found = re.findall(r"^instructions: (\d+) passed, (\d+) failed$", output, re.MULTILINE)
    return Totals(int(found[-1][0]), int(found[-1][1]), 0) if found else None


def checker(output: str) -> Totals | None:
    """A type checker has no tests; its exit status is all there is."""
    return Totals(0, 0, 0)


@dataclass(frozen=True)
class Step:
    name: str
    command: list[str]
    folder: Path
    read: Callable[[str], Totals | None]


def steps(tools: Path, nextest_command: list[str]) -> list[Step]:
    python = str(tools / "python")
    package = ROOT / "python"
    # The benchmark's own tests too: a load generator that counts wrongly measures nothing.
    everything = ["--workspace", "--locked", "--cargo-profile", "demo", "--no-fail-fast"]
    return [
        Step("rust", [*nextest_command, "run", *everything], ROOT, nextest),
        Step("rust, examples", ["cargo", "test", "--locked", "--profile", "demo", "--doc"], ROOT, doc_tests),
        Step("python", [python, "-m", "pytest", "-q", "tests"], package, pytest),
        Step("scenarios", [python, "-m", "pytest", "-q"], ROOT / "e2e", pytest),
        Step("instructions of the hot path", [python, "bench/instructions.py"], ROOT, instructions),
        Step("python, mypy", [python, "-m", "mypy", "--strict"], package, checker),
        Step("python, pyright", [python, "-m", "pyright"], package, checker),
    ]


def run(step: Step, tools: Path) -> tuple[bool, Totals | None]:
    """Run one step, passing its output on as it comes."""
    print(f"\n== {step.name}: {' '.join(step.command)}", flush=True)
    lines: list[str] = []
    with subprocess.Popen(
        step.command,
        cwd=step.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # As in an activated environment: what a test starts finds the same Python.
        env=os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(tools.parent)},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(re.sub(r"\x1b\[[0-9;]*m", "", line))
    return process.returncode == 0, step.read("".join(lines))


def main() -> int:
    tools, *nextest_command = sys.argv[1:]
    table, good, passed, failed = [], True, 0, 0
    folder = Path(tools).absolute()
    for step in steps(folder, nextest_command):
        started = time.monotonic()
        succeeded, totals = run(step, folder)
        if totals is None:
            succeeded, said = False, "no summary"
        else:
            passed, failed = passed + totals.passed, failed + totals.failed
            said = f"{totals.passed} passed, {totals.failed} failed"
            if step.read is checker:
                said = "clean" if succeeded else "faults"
            elif totals.skipped or not totals.passed:
                succeeded, said = False, f"{said}, {totals.skipped} skipped"
        good = good and succeeded
        table.append(f"{'ok  ' if succeeded else 'FAIL'}  {step.name}: {said} ({time.monotonic() - started:.0f} s)")
    print("\n" + "\n".join(table))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
