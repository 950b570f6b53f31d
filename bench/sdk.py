"""The SDK beside other clients, against the same bare server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from processes import Failed, run_json
from sides import Hyper, Side

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Client, kind, how many at once.
MEASURED = [
    ("relynt", "threads", 1),
    ("httpx", "threads", 1),
    ("requests", "threads", 1),
    ("urllib3", "threads", 1),
    ("pyreqwest", "threads", 1),
    ("relynt", "threads", 64),
    ("httpx", "threads", 64),
    ("requests", "threads", 64),
    ("urllib3", "threads", 64),
    ("pyreqwest", "threads", 64),
    ("relynt", "tasks", 64),
    ("httpx", "tasks", 64),
    ("aiohttp", "tasks", 64),
    ("pyreqwest", "tasks", 64),
]
IMPORTED = ["relynt", "httpx", "requests", "urllib3", "aiohttp", "pyreqwest.client"]
# What importing costs: time, and memory that is there afterwards and was not before.
IMPORT = """
import time, json
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS:"): return int(line.split()[1])
before = resident(); began = time.perf_counter()
import {module}
taken = time.perf_counter() - began
print(json.dumps({{"ms": taken * 1000, "added_mib": (resident() - before) / 1024}}))
"""


def environment_with_clients(target: Path) -> Path:
    """A virtual environment with the clients, and the package built for release. Its Python."""
    folder = target / "venv"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", ROOT / "requirements" / "build.txt", "-r", HERE / "requirements.txt"], check=True)
    wheels = target / "wheels"
    for old in wheels.glob("*.whl"):
        old.unlink()
    maturin: list[str | Path] = [folder / "bin" / "maturin", "build", "--quiet", "--locked", "--release"]
    maturin += ["--manifest-path", ROOT / "python" / "Cargo.toml", "--interpreter", python, "--out", wheels]
    built = subprocess.run(maturin, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise Failed(f"the Python package was not built:\n{built.stderr[-2000:]}")
    subprocess.run([*pip, "--no-index", "--no-deps", "--force-reinstall", *wheels.glob("*.whl")], check=True)
    return python


def name_of(client: str, kind: str, at_once: int) -> str:
    return f"{client}, {at_once} {kind.removesuffix('s') if at_once == 1 else kind}"


def sides(python: Path, server: Hyper) -> list[Side]:
    """One side for each client and kind; half as long as the others, because a process starts for each."""

    def measure(client: str, kind: str, at_once: int, seconds: float) -> dict[str, Any]:
        arguments: list[str | Path] = [python, HERE / "sdk_client.py", client, kind, str(at_once), str(seconds)]
        measured: dict[str, Any] = run_json(arguments, stdin=server.address + "\n", timeout=120)
        return measured

    return [
        Side(
            name_of(client, kind, at_once),
            lambda seconds, client=client, kind=kind, at_once=at_once: measure(client, kind, at_once, seconds),  # type: ignore[misc]
            scale=0.6,
        )
        for client, kind, at_once in MEASURED
    ]


def imports(python: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Import time and memory, alternately; the first round fills the caches and is not kept."""
    found: dict[str, list[dict[str, float]]] = {module: [] for module in IMPORTED}
    for number in range(rounds + 1):
        for module in IMPORTED:
            one = run_json([python, "-c", IMPORT.format(module=module)])
            if number:
                found[module].append(one)
    return found
