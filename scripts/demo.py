"""`make demo`: the quick start of the Python SDK, unchanged, against a gateway of its own.

One program runs three times; what changes is the policy. Everything the summary says is fetched
again over the API, and every receipt is verified offline with the gateway's published keys.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

ROOT = Path(__file__).resolve().parent.parent
SEED = ROOT / "python" / "tests" / "seed"
# What the quick start asks for.
REQUEST = {"action": "update_deal", "resource": "crm:deal:123", "payload": {"amount": 52000, "previous_amount": 50000}}
PATTERN = {"action": "update_deal", "resource_pattern": "crm:deal:*"}
DENY_UPDATES = [PATTERN | {"id": "quarter-end", "decision": "deny"}]
ASK_ABOVE_1000 = [PATTERN | {"id": "small-updates", "decision": "allow", "conditions": {"max_amount_change": 1000}}]


class Failed(Exception):
    """The demo did not show what it promises."""


class Gateway:
    """`relynt dev` in a folder of its own."""

    def __init__(self, binary: Path) -> None:
        self.binary = binary
        self.folder = Path(tempfile.mkdtemp(prefix="relynt-demo-"))
        self.log = self.folder / "log"
        said = self.folder / "said"
        # Files and no pipes, and a session of its own: it may outlive the demo, and Ctrl-C is for the demo.
        with self.log.open("wb") as log, said.open("wb") as out:
            self.process = subprocess.Popen(
                [binary, "dev", "--data", self.folder / "data", "--port", "0", "--json"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=environment({}),
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while not said.read_bytes().endswith(b"\n"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise Failed(f"the gateway did not start:\n{self.log.read_text(errors='replace')}")
            threading.Event().wait(0.01)
        self.said: dict[str, str] = json.loads(said.read_bytes().splitlines()[0])
        self.token = self.said["access_token"]
        self.opener = build_opener(ProxyHandler({}))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=40)
        if status != 0:
            raise Failed(f"the gateway ended with {status}:\n{self.log.read_text(errors='replace')[-2000:]}")
        shutil.rmtree(self.folder)

    def fetch(self, method: str, path: str, value: Any = None, headers: dict[str, str] | None = None) -> bytes:
        """The body of an answer; by the Owner's token unless `headers` say otherwise."""
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"} | (headers or {})
        data = None if value is None else json.dumps(value).encode()
        try:
            with self.opener.open(Request(self.said["base_url"] + path, data, given, method=method), timeout=30) as got:
                body: bytes = got.read()
                return body
        except HTTPError as error:
            raise Failed(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error

    def ask(self, method: str, path: str, value: Any = None, headers: dict[str, str] | None = None) -> Any:
        return json.loads(self.fetch(method, path, value, headers))

    def command(self, *arguments: str) -> str:
        """Run `relynt` as a person at another terminal would; what it prints."""
        client = {"RELYNT_API_BASE_URL": self.said["base_url"], "RELYNT_ACCESS_TOKEN": self.token}
        ran = subprocess.run(
            [self.binary, *arguments], env=environment(client), capture_output=True, text=True, timeout=60, check=False
        )
        if ran.returncode != 0:
            raise Failed(f"relynt {' '.join(arguments)}: exit status {ran.returncode}\n{ran.stdout}{ran.stderr}")
        return ran.stdout


def environment(extra: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RELYNT_")} | extra


def say(text: str = "") -> None:
    print(text, flush=True)


def quick_start() -> str:
    """The program: two snippets of the documentation, as they stand there."""
    parts = []
    for name in ("quick_start", "handling_approvals"):
        found = sorted(SEED.glob(f"*{name}*.py"))
        if len(found) != 1:
            raise Failed(f"no snippet `{name}` in {SEED}")
        parts.append(found[0].read_text("utf-8"))
    return "\n".join(parts)


def run_quick_start(gateway: Gateway, once_pending: Callable[[], None] | None = None) -> None:
    """Run the program as any user's would run, showing what it prints; act once it waits for a person."""
    program = gateway.folder / "quick_start.py"
    program.write_text(quick_start(), "utf-8")
    names = {
        "base_url": "API_BASE_URL",
        "agent_secret": "AGENT_SECRET",
        "agent_id": "AGENT_ID",
        "organization_id": "ORG_ID",
    }
    lines = {f"RELYNT_{variable}": gateway.said[name] for name, variable in names.items()}
    with subprocess.Popen(
        [sys.executable, "-u", program],
        env=environment(lines),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            say(f"    {line.rstrip()}")
            # The line after the decision is the receipt's id; then the program waits.
            if once_pending is not None and line == "pending_approval\n":
                say(f"    {running.stdout.readline().rstrip()}")
                once_pending()
    if running.returncode != 0:
        raise Failed(f"the quick start ended with {running.returncode}")


def activate(gateway: Gateway, rules: list[dict[str, Any]]) -> None:
    version = gateway.ask("POST", "/v1/policies", {"rules": rules, "note": "make demo"})["version"]
    gateway.ask("POST", f"/v1/policies/{version}/activate", {"acknowledge": True})


def pending(gateway: Gateway) -> Any:
    """The approval that the program waits for, once it is there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = gateway.ask("GET", "/v1/approvals?status=pending")["approvals"]
        if found:
            return found[0]
        threading.Event().wait(0.02)
    raise Failed("no approval was requested")


def decide(gateway: Gateway, *, by_person: bool) -> None:
    """Print how to decide; without a person, do it one second later from a second process."""
    approval = pending(gateway)
    say(f"  a person decides: {approval['reason']}")
    if by_person:
        say("  at another terminal (the program waits for five minutes):")
        say(f"    export RELYNT_API_BASE_URL={gateway.said['base_url']}")
        say(f"    export RELYNT_ACCESS_TOKEN={gateway.token}")
        say(f"    {gateway.binary} approvals approve {approval['approval_id']}")
        return
    say(f"    $ relynt approvals approve {approval['approval_id']}")
    threading.Event().wait(1)
    gateway.command("approvals", "approve", approval["approval_id"])


class Summary:
    """What came of it, every line fetched again over the API."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.keys = gateway.folder / "keys.json"
        self.keys.write_bytes(gateway.fetch("GET", "/.well-known/relynt-keys.json"))
        self.verified = 0
        self.receipts = gateway.ask("GET", "/v1/receipts")["receipts"][::-1]

    def receipt(self, receipt_id: str) -> Any:
        """The receipt as it is served, verified offline with the published keys."""
        file = self.gateway.folder / f"{receipt_id}.json"
        file.write_bytes(self.gateway.fetch("GET", f"/v1/receipts/{receipt_id}"))
        self.gateway.command("verify", str(file), "--keys", str(self.keys))
        self.verified += 1
        return json.loads(file.read_bytes())

    def again(self, receipt: Any) -> Any:
        """The call again under its own key: the stored answer, and nothing is executed."""
        headers = {
            "Authorization": f"Bearer {self.gateway.said['agent_secret']}",
            "Idempotency-Key": receipt["idempotency_key"],
        }
        return self.gateway.ask("POST", "/v1/agent-tool-call", REQUEST | {"instance_id": "make demo"}, headers)

    def line(self, receipt_id: str, *, decision: str, what: str) -> Any:
        receipt = self.receipt(receipt_id)
        if receipt["decision"] != decision:
            raise Failed(f"receipt {receipt_id} says {receipt['decision']} instead of {decision}")
        say(f"  {receipt['decision']:<17} {receipt_id}  {receipt['policy_version']:<3} {what}")
        return receipt

    def show(self) -> None:
        allowed, denied, asked, closed = [receipt["receipt_id"] for receipt in self.receipts]
        say("\nsummary (fetched again over the API; each receipt verified by `relynt verify`)")
        receipt = self.line(allowed, decision="allow", what="executed by the gateway")
        self.target_said(self.again(receipt))
        receipt = self.line(denied, decision="deny", what="nothing was sent")
        say(f"    reason: {self.again(receipt)['reason']}")
        receipt = self.line(asked, decision="pending_approval", what="nothing was sent")
        approval = self.gateway.ask("GET", f"/v1/approvals/{receipt['approval_id']}")
        say(f"    approval {approval['approval_id']}: {approval['status']} by {approval['decided_by']}")
        if approval["status"] == "approved":
            self.line(closed, decision="allow", what="approved, then executed by the gateway")
            self.target_said(approval)
        else:
            self.line(closed, decision="deny", what=f"{approval['status']}, nothing was sent")
        say(f"  {self.verified} receipts verified")

    def target_said(self, answer: Any) -> None:
        execution = answer["execution"]
        if execution["status"] != "succeeded" or not answer["tool_response"]:
            raise Failed(f"no tool response: {execution}")
        current = self.gateway.ask("GET", f"/v1/executions/{execution['execution_id']}")
        say(f"    execution {current['execution_id']}: {current['status']}, HTTP {current['http_status']}")
        say(f"    tool_response: {json.dumps(answer['tool_response'])}")


def play(gateway: Gateway, *, by_person: bool) -> None:
    say("1. an update of a deal, under the policy that `relynt dev` starts with")
    run_quick_start(gateway)
    say("\n2. the same program, under a policy that denies updates")
    activate(gateway, DENY_UPDATES)
    run_quick_start(gateway)
    say("\n3. the same program, under a policy that asks a person above a change of 1000")
    activate(gateway, ASK_ABOVE_1000)
    run_quick_start(gateway, lambda: decide(gateway, by_person=by_person))
    Summary(gateway).show()


def main() -> int:
    parser = argparse.ArgumentParser(description="the quick start against a gateway of its own")
    parser.add_argument("binary", type=Path)
    parser.add_argument("--keep", action="store_true", help="leave the decision to you and the gateway running")
    options = parser.parse_args()
    started = time.monotonic()
    gateway = None
    try:
        gateway = Gateway(options.binary.resolve())
        say(f"relynt dev answers at {gateway.said['base_url']} ({time.monotonic() - started:.2f} s)\n")
        play(gateway, by_person=options.keep)
        if options.keep:
            pid = gateway.process.pid
            say(
                f"\nthe gateway keeps running at {gateway.said['base_url']} in {gateway.folder}; stop it by: kill {pid}"
            )
        else:
            gateway.stop()
    except (Failed, KeyboardInterrupt) as error:
        print(f"the demo failed: {error or 'interrupted'}", file=sys.stderr)
        if gateway is not None:
            gateway.process.kill()
            gateway.process.wait()
        return 1
    say(f"\ndone in {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
