"""The real gateway in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import urllib.request
from pathlib import Path
from typing import Any


class RealGateway:
    """`relynt dev` on a free port with a folder of its own."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary = binary
        self.folder = folder

    def __enter__(self) -> RealGateway:
        if not self.binary.exists():
            raise FileNotFoundError(f"{self.binary}: build it, or set RELYNT_BIN")
        path = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            [self.binary, "dev", "--data", self.folder / "data", "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=path,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(30)
            self.__exit__()
            log = (self.folder / "log").read_text(errors="replace")
            raise RuntimeError(f"the gateway did not start: {log[-2000:]}")
        started: dict[str, str] = json.loads(line)
        self.base_url = started["base_url"]
        self.agent_id = started["agent_id"]
        self.agent_secret = started["agent_secret"]
        self.organization_id = started["organization_id"]
        self.access_token = started["access_token"]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.base_url.removeprefix("http://").partition(":")
        return host, int(port)

    @property
    def environment(self) -> dict[str, str]:
        """The four lines that the dashboard gives."""
        return {
            "RELYNT_API_BASE_URL": self.base_url,
            "RELYNT_AGENT_SECRET": self.agent_secret,
            "RELYNT_AGENT_ID": self.agent_id,
            "RELYNT_ORG_ID": self.organization_id,
        }

    def manage(self, method: str, path: str, body: object = None) -> Any:
        """A call of the management API with the owner's token."""
        request = urllib.request.Request(
            self.base_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.access_token}",
                "Content-Type": "application/json",
            },
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=30) as answer:
            return json.loads(answer.read())

    def decide(self, approval_id: str, decision: str) -> Any:
        """Decides as a person would."""
        path = f"/v1/approvals/{approval_id}/decision"
        return self.manage("POST", path, {"decision": decision})

    def decide_next(self, decision: str) -> threading.Thread:
        """Decides, in a thread, on the next approval that becomes pending."""

        def work() -> None:
            while True:
                pending = self.manage("GET", "/v1/approvals?status=pending")["approvals"]
                for approval in pending:
                    self.decide(approval["approval_id"], decision)
                    return

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread
