"""From raw figures to tables: medians, spreads, ratios pair by pair, and what was asked for."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "performance.md"
BEGIN = "<!-- written by bench/report.py: begin -->"
END = "<!-- written by bench/report.py: end -->"

Results = dict[str, Any]


def values(results: Results, side: str, *path: str) -> list[float]:
    """A figure of a side in each round; empty if it was not measured."""
    found = []
    for one in results["sides"].get(side, []):
        value: Any = one
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            found.append(float(value))
    return found


def ratios(over: list[float], under: list[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(over, under, strict=False) if b]


def number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(found: list[float], unit: str = "") -> str:
    """Median, and from the least to the greatest."""
    if not found:
        return "not measured"
    middle = number(statistics.median(found)) + unit
    return middle if len(found) == 1 else f"{middle} ({number(min(found))} to {number(max(found))})"


@dataclass(frozen=True)
class Ask:
    """A row of what was asked for."""

    what: str
    bar: float
    aim: float
    # Whether more is better.
    more: bool
    unit: str
    figures: Callable[[Results], list[float]]

    def row(self, results: Results) -> str:
        sign = "≥" if self.more else "≤"
        found = self.figures(results)
        if not found:
            said = "not measured"
        else:
            middle = statistics.median(found)
            met = [middle >= to if self.more else middle <= to for to in (self.bar, self.aim)]
            said = "aim met" if met[1] else "bar met, aim missed" if met[0] else "**missed**"
        asked = f"{sign} {self.bar:g}{self.unit} | {sign} {self.aim:g}{self.unit}"
        return f"| {self.what} | {asked} | {spread(found, self.unit)} | {said} |"


def rate(side: str) -> Callable[[Results], list[float]]:
    return lambda results: values(results, side, "rate")


def against(side: str, other: str) -> Callable[[Results], list[float]]:
    return lambda results: ratios(values(results, side, "rate"), values(results, other, "rate"))


def millis(side: str, *path: str) -> Callable[[Results], list[float]]:
    return lambda results: [value / 1000 for value in values(results, side, *path)]


def alone(results: Results) -> list[float]:
    """The p50 of one connection, against what no durable answer can be faster than."""
    p50 = ("latency_us", "p50")
    ours = values(results, "allow, 1 connections", *p50)
    echo = values(results, "echo, 1 connections", *p50)
    disk = values(results, "disk: append 800 bytes and sync", *p50)
    return [a / (b + c) for a, b, c in zip(ours, echo, disk, strict=False)]


def evaluations(results: Results) -> list[float]:
    return ratios(
        values(results, "evaluate, 10000 rules, 5 looked at", "nanos"),
        values(results, "evaluate, 10 rules, 5 looked at", "nanos"),
    )


def idle(results: Results) -> list[float]:
    return [one["resident_mib"] for one in results.get("starts", {}).get("existing folder", [])]


def many(results: Results) -> list[float]:
    return [one["start_to_ready_ms"] for one in results.get("starts", {}).get("1 million receipts", [])]


def waiting(results: Results) -> list[float]:
    return [results["waiters"]["resident_mib"]] if "waiters" in results else []


def imported(figure: str) -> Callable[[Results], list[float]]:
    return lambda results: [one[figure] for one in results.get("imports", {}).get("relynt", [])]


def import_ratio(results: Results) -> list[float]:
    imports = results.get("imports", {})
    ours, theirs = ([one["ms"] for one in imports.get(name, [])] for name in ("relynt", "httpx"))
    return ratios(ours, theirs)


def best_rust(results: Results) -> list[float]:
    return against("relynt, 64 tasks", "pyreqwest, 64 tasks")(results)


def accepted(results: Results) -> list[float]:
    opened = results.get("open")
    return [opened["open"]["accepted_rate"] / opened["before"]["rate"]] if opened else []


def accepted_p99(results: Results) -> list[float]:
    opened = results.get("open")
    figures = opened and opened["open"]["accepted_latency_us"]
    return [figures["p99"] / 1000] if figures else []


def recovered(results: Results) -> list[float]:
    opened = results.get("open")
    return [opened["after"]["rate"] / opened["before"]["rate"]] if opened else []


ALLOW = "allow, 64 connections"
ECHO = "echo, 64 connections"
FULL = "allow, 64 connections, 1 million receipts"
PEAK = "peak_mib"
ASKED = [
    Ask("durable signed decision, 64 connections, against the bare echo", 0.20, 0.30, True, "", against(ALLOW, ECHO)),
    Ask("the same, 256 connections", 0.23, 0.34, True, "", against("allow, 256 connections", "echo, 256 connections")),
    Ask("CPU of the gateway a durable call", 65, 46, False, " µs", lambda r: values(r, ALLOW, "cpu_us")),
    Ask("p99 at 64, ordered keys", 8, 4, False, " ms", millis(ALLOW, "latency_us", "p99")),
    Ask("p99 at 64, random keys, 1 million receipts", 20, 8, False, " ms", millis(f"{FULL}, random keys", "latency_us", "p99")),
    Ask("one connection, p50, against echo p50 + raw append and sync p50", 1.8, 1.4, False, " ×", alone),
    Ask("against Cerbos, audit off", 4, 6, True, " ×", against(ALLOW, "cerbos, audit off, 64 connections")),
    Ask("against Cerbos, audit to a file", 4.5, 6.5, True, " ×", against(ALLOW, "cerbos, audit file, 64 connections")),
    Ask("against Cerbos, audit to its local store", 3.5, 5, True, " ×", against(ALLOW, "cerbos, audit local, 64 connections")),
    Ask("allow executed by a connector, against the echo", 0.10, 0.14, True, "", against("allow by a connector, 64 connections", ECHO)),
    Ask("simulate, against the echo", 0.50, 0.65, True, "", against("simulate, 64 connections", ECHO)),
    Ask("evaluate in process, 10,000 rules against 10", 1.5, 1.2, False, " ×", evaluations),
    Ask("resident memory, idle", 20, 12, False, " MiB", idle),
    Ask("resident memory, the most at 64 connections", 96, 48, False, " MiB", lambda r: values(r, ALLOW, PEAK)),
    Ask("resident memory, 10,000 waiting long-polls", 150, 100, False, " MiB", waiting),
    Ask("start to first answer, 1 million receipts stored", 100, 40, False, " ms", many),
    Ask("SDK sync, 1 thread, against httpx", 4, 5, True, " ×", against("relynt, 1 thread", "httpx, 1 thread")),
    Ask("SDK sync, 64 threads, against httpx", 12, 25, True, " ×", against("relynt, 64 threads", "httpx, 64 threads")),
    Ask("SDK async, 64 at once, against aiohttp", 1.5, 1.8, True, " ×", against("relynt, 64 tasks", "aiohttp, 64 tasks")),
    Ask("SDK async, 64 at once, against a Rust-backed client", 1.05, 1.3, True, " ×", best_rust),
    Ask("`import relynt` against `import httpx`", 0.2, 0.1, False, " ×", import_ratio),
    Ask("memory that `import relynt` adds", 8, 4, False, " MiB", imported("added_mib")),
    Ask("open loop at twice the closed rate: accepted, against that rate", 0.5, 0.5, True, "", accepted),
    Ask("open loop: p99 of what was accepted", 250, 60, False, " ms", accepted_p99),
    Ask("the second after the open loop, against the rate before", 0.9, 0.9, True, "", recovered),
]


def asked(results: Results) -> str:
    rows = [ask.row(results) for ask in ASKED]
    return "\n".join(["| what | bar | aim | measured | |", "| --- | --- | --- | --- | --- |", *rows])


def side_table(results: Results) -> str:
    rows = ["| side | a second | p50 µs | p99 µs | p99.9 µs | CPU µs a call | most MiB | refused |", "| --- " * 8 + "|"]
    for name, measured in results["sides"].items():
        if not measured or "latency_us" not in measured[0]:
            continue
        cells = [spread(values(results, name, "rate"))]
        cells += [spread(values(results, name, "latency_us", share)) for share in ("p50", "p99", "p99_9")]
        for figure in ("cpu_us", "peak_mib"):
            found = values(results, name, figure)
            cells.append(spread(found) if found else "")
        refused = sum(values(results, name, "refused"))
        rows.append(f"| {name} | " + " | ".join(cells) + f" | {refused:.0f} |")
    return "\n".join(rows)


def sdk_table(results: Results) -> str:
    rows = ["| client | calls a second | most MiB |", "| --- | --- | --- |"]
    for name, measured in results["sides"].items():
        if measured and "calls" in measured[0]:
            rows.append(f"| {name} | {spread(values(results, name, 'rate'))} | {spread(values(results, name, 'peak_mib'))} |")
    rows += ["", "| import | ms | added MiB |", "| --- | --- | --- |"]
    for module, measured in results.get("imports", {}).items():
        cells = [spread([one[figure] for one in measured]) for figure in ("ms", "added_mib")]
        rows.append(f"| `{module}` | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def other_table(results: Results) -> str:
    rows = ["| what | measured |", "| --- | --- |"]
    for name, measured in results["sides"].items():
        if measured and "nanos" in measured[0]:
            rows.append(f"| {name} | {spread(values(results, name, 'nanos'), ' ns')} |")
    for folder, runs in results.get("starts", {}).items():
        for figure, unit in (("start_to_ready_ms", " ms"), ("start_to_decision_ms", " ms"), ("resident_mib", " MiB")):
            rows.append(f"| start, {folder}: {figure} | {spread([run[figure] for run in runs], unit)} |")
    for filled in results.get("filled", []):
        size = filled["database_bytes"] / 2**30
        rows.append(
            f"| store filled in process with {filled['receipts']:,} receipts, {filled['order']} keys "
            f"| {filled['rate']:,.0f}/s, {size:.2f} GiB in all |"
        )
    if told := results.get("waiters"):
        rows.append(f"| {told['asked']:,} waiting callers: told by the decision's answer + | {told['last_told_after_s'] * 1000:.0f} ms |")
        rows.append(f"| CPU while they wait | {told['cpu_share_while_waiting'] * 100:.1f} % of a core |")
    if opened := results.get("open"):
        one = opened["open"]
        rows.append(f"| open loop: offered | {one['offered_rate']:,.0f}/s for {one['seconds_of_sending']:.0f} s |")
        statuses = ", ".join(f"{status}: {count:,}" for status, count in one["statuses"].items())
        rows.append(f"| open loop: answers by status | {statuses}; unanswered {one['unanswered']:,}, never sent {one['never_sent']:,} |")
        if one["refused_latency_us"]:
            rows.append(f"| open loop: p50 / p99 of what was refused | {one['refused_latency_us']['p50'] / 1000:.1f} / {one['refused_latency_us']['p99'] / 1000:.1f} ms |")
        rows.append(f"| open loop: most that waited for one of the generator's connections | {one['most_waiting_for_a_connection']:,} |")
        rows.append(f"| open loop: most memory | {one['peak_mib']:.0f} MiB |")
    return "\n".join(rows)


def text(results: Results) -> str:
    machine, options = results["machine"], results["options"]
    versions = f"{machine['rustc']}, Python {machine['python']}, Cerbos {results.get('cerbos') or 'not measured'}"
    clients = (HERE / "requirements.txt").read_text().splitlines()
    versions += ", " + ", ".join(line.replace("==", " ") for line in clients if "==" in line)
    return f"""
Measured {machine["at"]} at commit {machine["commit"]}, in {results["minutes"]:.0f} minutes.
Machine: {machine["cores"]} cores ({machine["cpu"]}), {machine["memory_gib"]} GiB, Linux {machine["kernel"]}, {machine["file_system"]}; load {machine["load_at_start"]:.1f} before, {results["load_at_end"]:.1f} at the end. Servers, clients and the load generator share the cores.
Versions: {versions}.
Each figure is the median of {options["rounds"]} rounds (least to greatest), {results["seconds_a_side"]} s a side and round; a ratio is taken within each round. {options["rules"]} rules, {options["candidates"]} of which the request has to look at.

### What was asked for

{asked(results)}

### Every side

{side_table(results)}

### Python

{sdk_table(results)}

### Everything else

{other_table(results)}
"""


def write(results: Results) -> None:
    """Replace what stands between the markers, and keep the figures."""
    (HERE / "results" / "summary.json").write_text(json.dumps(slim(results), indent=1) + "\n")
    document = DOCUMENT.read_text("utf-8")
    before, rest = document.split(BEGIN)
    after = rest.split(END)[1]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text(results)}\n{END}{after}", "utf-8")


def slim(results: Results) -> Results:
    """Without what only serves to look into one run."""
    kept = json.loads(json.dumps(results))
    for measured in kept["sides"].values():
        for one in measured:
            one.pop("sample", None)
    for one in kept.get("open", {}).values():
        one.pop("sample", None)
        one.pop("seconds", None)
    return dict(kept)
