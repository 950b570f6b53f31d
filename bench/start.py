"""How long the gateway takes from its start to its first answer, and what it holds when idle.

    python3 bench/start.py [--binary target/release/relynt] [--runs 5]

Starts `relynt dev` on a fresh folder and again on the same one, each time waits for the first
answer of `/readyz` and for the first decision, and reads the resident set from `/proc`. Prints one
table and, with `--json FILE`, the raw figures.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import tempfile
import time
import urllib.parse
import uuid


def answered(host: str, method: str, path: str, headers: dict[str, str], body: bytes | None) -> int:
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def resident_kib(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise RuntimeError("the kernel does not tell the resident set")


def start(binary: str, folder: str, secret: str | None) -> tuple[dict[str, float], str]:
    began = time.perf_counter()
    gateway = subprocess.Popen(
        [binary, "dev", "--data", folder, "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert gateway.stdout is not None
        told = json.loads(gateway.stdout.readline())
        host = urllib.parse.urlsplit(told["base_url"]).netloc
        assert answered(host, "GET", "/readyz", {}, None) == 200
        ready = time.perf_counter()
        secret = secret or told["agent_secret"]
        headers = {
            "Authorization": f"Bearer {secret}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        body = json.dumps({"action": "none", "resource": "none", "instance_id": "bench"}).encode()
        assert answered(host, "POST", "/v1/agent-tool-call", headers, body) == 200
        decided = time.perf_counter()
        resident = resident_kib(gateway.pid)
        return {
            "start_to_ready_ms": (ready - began) * 1000,
            "start_to_decision_ms": (decided - began) * 1000,
            "resident_mib": resident / 1024,
        }, secret
    finally:
        gateway.terminate()
        gateway.wait(timeout=60)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binary", default="target/release/relynt")
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--json", metavar="FILE")
    options = arguments.parse_args()
    figures: dict[str, list[dict[str, float]]] = {"fresh folder": [], "existing folder": []}
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            first, secret = start(options.binary, folder, None)
            again, _ = start(options.binary, folder, secret)
            figures["fresh folder"].append(first)
            figures["existing folder"].append(again)
    print("| start | figure | min | median | max |")
    print("| --- | --- | --- | --- | --- |")
    for name, runs in figures.items():
        for figure in runs[0]:
            values = [run[figure] for run in runs]
            row = (min(values), statistics.median(values), max(values))
            print(f"| {name} | {figure} | " + " | ".join(f"{value:.1f}" for value in row) + " |")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    main()
