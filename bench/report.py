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
RESULTS = HERE / "results"

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
    # What stands beside it and is not asked for.
    beside: Callable[[Results], str] = lambda _: ""

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
        return f"| {self.what} | {asked} | {spread(found, self.unit)}{self.beside(results)} | {said} |"


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
    disk = values(results, DISK, *p50)
    return [a / (b + c) for a, b, c in zip(ours, echo, disk, strict=False)]


def evaluations(results: Results) -> list[float]:
    return ratios(
        values(results, "evaluate, 10000 rules, 4 looked at", "nanos"),
        values(results, "evaluate, 10 rules, 4 looked at", "nanos"),
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


def opened_share(*names: str) -> Callable[[Results], list[float]]:
    """How many per cent of what was due."""

    def figure(results: Results) -> list[float]:
        one = results.get("open", {}).get("open")
        return [100 * sum(one[name] for name in names) / max(one["due"], 1)] if one else []

    return figure


def refused_p99(results: Results) -> list[float]:
    figures = results.get("open", {}).get("open", {}).get("refused_latency_us")
    return [figures["p99"] / 1000] if figures else []


def memory_growth(results: Results) -> list[float]:
    halves = results.get("open", {}).get("open", {}).get("memory_halves_mib", [])
    return [halves[1] / halves[0]] if len(halves) == 2 else []


def most_memory(results: Results) -> str:
    one = results.get("open", {}).get("open")
    return f"; {one['peak_mib']:.0f} MiB" if one else ""


def raw_p99(results: Results) -> str:
    """What the disk alone did in the same run."""
    return "; disk alone " + spread([value / 1000 for value in values(results, DISK, *P99)], " ms")


def recovered(results: Results) -> list[float]:
    opened = results.get("open")
    return [opened["after"]["rate"] / opened["before"]["rate"]] if opened else []


DISK = "disk: append 800 bytes and sync"
ALLOW = "allow, 64 connections"
ECHO = "echo, 64 connections"
FULL_RANDOM = "allow, 64 connections, 1 million receipts, random keys"
CONNECTOR = "allow by a connector, 64 connections"
SIMULATE = "simulate, 64 connections"
P99 = ("latency_us", "p99")


def cerbos(audit: str) -> Callable[[Results], list[float]]:
    return against(ALLOW, f"cerbos, audit {audit}, 64 connections")


def httpx(kind: str) -> Callable[[Results], list[float]]:
    return against(f"relynt, {kind}", f"httpx, {kind}")


def cpu(results: Results) -> list[float]:
    return values(results, ALLOW, "cpu_us")


def peak(results: Results) -> list[float]:
    """Of each round the most of any side of the gateway with 64 connections."""
    ours = [
        values(results, name, "peak_mib")
        for name in results["sides"]
        if "64 connections" in name and not name.startswith(("echo", "cerbos", "agent control"))
    ]
    return [max(of_round) for of_round in zip(*filter(None, ours), strict=False)]


def kept(keys: str) -> Callable[[Results], list[float]]:
    """What is left of the rate at ten million receipts, from the last curve that went so far."""

    def figure(_: Results) -> list[float]:
        file = RESULTS / "growth.json"
        curves = json.loads(file.read_text()) if file.exists() else {}
        points = curves.get("receipts", {}).get("points", [])
        found = [point for point in points if point.get("keys") == keys and "kept" in point]
        found = [point for point in found if point["receipts"] >= 10_000_000]
        return [point[name] for point in found for name in ("kept_least", "kept", "kept_most")]

    return figure


def since(results: Results) -> str:
    opened = results.get("open")
    return f"; {number(opened['after']['from_s_after_the_sending'])} s after" if opened else ""


LOST = ("other", "broken_connections", "unanswered", "never_sent")
MORE, LESS = True, False
ASKED = [
    Ask("durable signed decision, 64 connections, against the bare echo", 0.20, 0.30, MORE, "", against(ALLOW, ECHO)),
    Ask("the same, 256 connections", 0.23, 0.34, MORE, "", against("allow, 256 connections", "echo, 256 connections")),
    Ask("CPU of the gateway a durable call", 65, 46, LESS, " µs", cpu),
    Ask("p99 at 64, ordered keys", 8, 4, LESS, " ms", millis(ALLOW, *P99), raw_p99),
    Ask("p99 at 64, random keys, 1 million receipts", 20, 8, LESS, " ms", millis(FULL_RANDOM, *P99), raw_p99),
    Ask("one connection, p50, against echo p50 + raw append and sync p50", 1.8, 1.4, LESS, " ×", alone),
    Ask("against Cerbos, audit off", 4, 6, MORE, " ×", cerbos("off")),
    Ask("against Cerbos, audit to a file", 4.5, 6.5, MORE, " ×", cerbos("file")),
    Ask("against Cerbos, audit to its local store", 3.5, 5, MORE, " ×", cerbos("local")),
    Ask("allow executed by a connector, against the echo", 0.10, 0.14, MORE, "", against(CONNECTOR, ECHO)),
    Ask("simulate, against the echo", 0.50, 0.65, MORE, "", against(SIMULATE, ECHO)),
    Ask("evaluate in process, 10,000 rules against 10", 1.5, 1.2, LESS, " ×", evaluations),
    Ask("10 million receipts against 10 thousand, ordered keys", 0.85, 0.92, MORE, "", kept("ordered")),
    Ask("10 million receipts against 10 thousand, random keys", 0.55, 0.75, MORE, "", kept("random")),
    Ask("resident memory, idle", 20, 12, LESS, " MiB", idle),
    Ask("resident memory, the most at 64 connections", 96, 48, LESS, " MiB", peak),
    Ask("resident memory, 10,000 waiting long-polls", 150, 100, LESS, " MiB", waiting),
    Ask("start to first answer, 1 million receipts stored", 100, 40, LESS, " ms", many),
    Ask("SDK sync, 1 thread, against httpx", 4, 5, MORE, " ×", httpx("1 thread")),
    Ask("SDK sync, 64 threads, against httpx", 12, 25, MORE, " ×", httpx("64 threads")),
    Ask(
        "SDK async, 64 at once, against aiohttp", 1.5, 1.8, MORE, " ×", against("relynt, 64 tasks", "aiohttp, 64 tasks")
    ),
    Ask("SDK async, 64 at once, against a Rust-backed client", 1.05, 1.3, MORE, " ×", best_rust),
    Ask("`import relynt` against `import httpx`", 0.2, 0.1, LESS, " ×", import_ratio),
    Ask("memory that `import relynt` adds", 8, 4, LESS, " MiB", imported("added_mib")),
    Ask("open loop at twice the closed rate: accepted, against that rate", 0.5, 0.5, MORE, "", accepted),
    Ask("open loop: p99 of what was accepted", 250, 60, LESS, " ms", accepted_p99),
    Ask("open loop: p99 of the refusals (503)", 250, 60, LESS, " ms", refused_p99),
    Ask("open loop: neither accepted nor refused with 503", 0, 0, LESS, " %", opened_share(*LOST)),
    Ask("open loop: most memory, second half against first", 1.1, 1.05, LESS, " ×", memory_growth, most_memory),
    Ask("within a second after the open loop: rate, against the one before", 0.9, 0.9, MORE, "", recovered, since),
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
            cells = [spread(values(results, name, figure)) for figure in ("rate", "peak_mib")]
            rows.append(f"| {name} | " + " | ".join(cells) + " |")
    rows += ["", "| import | ms | added MiB |", "| --- | --- | --- |"]
    for module, measured in results.get("imports", {}).items():
        cells = [spread([one[figure] for one in measured]) for figure in ("ms", "added_mib")]
        rows.append(f"| `{module}` | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def other_table(results: Results) -> str:
    found: list[tuple[str, str]] = []
    for name, measured in results["sides"].items():
        if measured and "nanos" in measured[0]:
            found.append((name, spread(values(results, name, "nanos"), " ns")))
    for folder, runs in results.get("starts", {}).items():
        for figure, what, unit in (
            ("start_to_ready_ms", "to the first answer", " ms"),
            ("start_to_decision_ms", "to the first decision", " ms"),
            ("resident_mib", "resident then", " MiB"),
        ):
            found.append((f"start, {folder}: {what}", spread([run[figure] for run in runs], unit)))
    for filled in results.get("filled", []):
        what = f"store filled in process: {filled['receipts']:,} receipts, {filled['order']} keys"
        size = filled["database_bytes"] / 2**30
        found.append((what, f"{filled['rate']:,.0f}/s; {size:.2f} GiB from then on"))
    if told := results.get("waiters"):
        after = told["last_told_after_s"] * 1000
        found.append(
            (
                f"{told['asked']:,} waiting callers: from the sending of the decision until the last is told",
                f"{after:.0f} ms",
            )
        )
        found.append(("CPU while they wait", f"{told['cpu_share_while_waiting'] * 100:.1f} % of a core"))
    if opened := results.get("open"):
        found += open_rows(opened["open"])
    return "\n".join(["| what | measured |", "| --- | --- |", *(f"| {what} | {said} |" for what, said in found)])


def open_rows(one: Results) -> list[tuple[str, str]]:
    statuses = ", ".join(f"{count:,} × {status}" for status, count in one["statuses"].items())
    rows = [
        ("offered", f"{one['offered_rate']:,.0f}/s for {one['seconds_of_sending']:.0f} s"),
        ("answers", f"{statuses}; unanswered {one['unanswered']:,}, never sent {one['never_sent']:,}"),
        ("most that waited for one of the generator's connections", f"{one['most_waiting_for_a_connection']:,}"),
        ("most requests under way", f"{one['most_connections']:,}; connections broken: {one['broken_connections']:,}"),
        ("most memory", f"{one['peak_mib']:.0f} MiB"),
        ("CPU of the generator a request", f"{one['generator_cpu_s'] / max(one['due'], 1) * 1e6:.1f} µs"),
    ]
    if late := one["sender_late_us"]:
        said = f"{late['p50'] / 1000:.2f} / {late['p99'] / 1000:.2f} ms"
        rows.append(("p50 / p99 of how late the generator itself was", said))
    if left := one["never_sent_waited_us"]:
        said = f"{left['p50'] / 1000:,.0f} / {left['max'] / 1000:,.0f} ms"
        rows.append(("p50 / most that those had waited who were never sent", said))
    if refused := one["refused_latency_us"]:
        rows.append(("p50 / p99 of what was refused", f"{refused['p50'] / 1000:.1f} / {refused['p99'] / 1000:.1f} ms"))
    return [(f"open loop: {what}", said) for what, said in rows]


def text(results: Results) -> str:
    machine, options = results["machine"], results["options"]
    clients = [line.replace("==", " ") for line in (HERE / "requirements.txt").read_text().splitlines() if "==" in line]
    if not machine["clean"]:
        machine = machine | {"commit": machine["commit"] + " with changes"}
    agent = results.get("agent_control", {})
    agent_version = f"{agent['version']} on PostgreSQL {agent['postgres']}" if "version" in agent else "left out"
    cerbos_version = results.get("cerbos") or "not measured"
    parts = [
        f"Measured {machine['at']} at commit {machine['commit']}, in {results['minutes']:.0f} minutes.",
        f"Machine: {machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, {machine['file_system']}; load {machine['load_at_start']:.1f} before, "
        f"{results['load_at_end']:.1f} at the end. Servers, clients and the load generator share the cores.",
        f"Versions: {machine['rustc']}, Python {machine['python']}, Cerbos {cerbos_version}, "
        f"Agent Control {agent_version}, {', '.join(clients)}.",
        f"Each figure is the median of {options['rounds']} rounds (least to greatest), "
        f"{results['seconds_a_side']} s a side and round; a ratio is taken within each round. {options['rules']} "
        f"rules, {options['candidates']} of which the request has to look at.",
    ]
    sections = {
        "What was asked for": asked,
        "Every side": side_table,
        "Python": sdk_table,
        "Everything else": other_table,
    }
    if "left_out" in agent:
        parts.append(f"Agent Control was left out of this run: {agent['left_out']}.")
    bare = values(results, ECHO, "rate")
    if bare and max(bare) > 1.3 * min(bare):
        parts.append(
            f"**Not a quiet run**: the bare echo alone went from {number(min(bare))} to {number(max(bare))} a second. "
            "Something else used the machine; the medians are too pessimistic where a round was disturbed."
        )
    parts += [f"### {title}\n\n{table(results)}" for title, table in sections.items()]
    return "\n\n".join(parts)


def write(results: Results) -> None:
    """Put the tables of a run into the document, and keep its figures."""
    (RESULTS / "summary.json").write_text(json.dumps(slim(results), indent=1) + "\n")
    replace("make bench", text(results))


def write_growth(curves: Results) -> None:
    """The same for the curves; those that were not measured now stay."""
    file = RESULTS / "growth.json"
    all_curves = (json.loads(file.read_text()) if file.exists() else {}) | curves
    file.write_text(json.dumps(all_curves, indent=1) + "\n")
    replace("make bench-growth", growth_text(all_curves))


def growth_text(curves: Results) -> str:
    parts = []
    for name, curve in curves.items():
        parts.append(f"### By {name}")
        parts.append(
            f"Measured {curve['at']} at commit {curve['commit']} on {curve['cores']} cores; medians of "
            f"{curve['rounds']} rounds of {curve['seconds']:g} s; load {curve['load']} at the end."
        )
        points = curve["points"]
        parts.append(growth_table([point for point in points if "kept" not in point]))
        if ends := [point for point in points if "kept" in point]:
            parts.append("The greatest store and one of ten thousand, alternately; *kept* is the median of the ratios:")
            parts.append(growth_table(ends))
    return "\n\n".join(parts)


def growth_table(points: list[Results]) -> str:
    heads: list[str] = list(dict.fromkeys(head for point in points for head in point))
    rows = [cells([head.replace("_", " ") for head in heads]), "| --- " * len(heads) + "|"]
    for point in points:
        values = [point.get(head, "") for head in heads]
        rows.append(cells([value if isinstance(value, str) else f"{value:,}" for value in values]))
    return "\n".join(rows)


def cells(of: list[str]) -> str:
    return "| " + " | ".join(of) + " |"


def replace(what: str, by: str) -> None:
    """What stands between the markers of `what`; nothing else of the document is touched."""
    begin, end = f"<!-- {what}: begin -->", f"<!-- {what}: end -->"
    before, rest = DOCUMENT.read_text("utf-8").split(begin)
    after = rest.split(end)[1]
    DOCUMENT.write_text(f"{before}{begin}\n\n{by}\n\n{end}{after}", "utf-8")


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
