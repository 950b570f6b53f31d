"""The real binary, started as `relynt dev` on a folder of its own."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import wire
from document import Document
from waiting import until
from wire import Address, Answer

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("RELYNT_BIN", ROOT / "target" / "demo" / "relynt")).resolve()
STOP_WITHIN = 40.0


def clean_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without anything that configures Relynt, and `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RELYNT_")}
    return kept | (extra or {})


def relynt(
    *arguments: str, environment: dict[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command of the binary to its end."""
    return subprocess.run(
        [str(BINARY), *arguments],
        env=clean_environment(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class Gateway:
    """One gateway process at a time over one folder; stop, kill and start it as you like."""

    def __init__(self, folder: Path) -> None:
        assert BINARY.is_file(), f"no binary at {BINARY}: `make build` builds it, RELYNT_BIN names another one"
        self.folder = folder
        self.data = folder / "data"
        self.first: dict[str, Any] = {}
        self.said: dict[str, Any] = {}
        self.transcript: list[bytes] = []
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, failed: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._process is None:
            return
        if failed is None:
            self.stop()
        else:
            self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the gateway is not running"
        return self._process.pid

    def start(self, *, environment: dict[str, str] | None = None, limits: Callable[[], None] | None = None) -> None:
        """Start it and wait until it answers. `said`: its first line of output."""
        assert self._process is None, "the gateway is running already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(BINARY), "dev", "--data", str(self.data), "--port", "0", "--json"],
                env=clean_environment({"RELYNT_LOG": "trace"} | (environment or {})),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=limits,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self._process = None
            raise AssertionError(f"the gateway ended with {status} instead of starting:\n{self.logged()[-3000:]}")
        self.said = json.loads(line)
        self.first = self.first or self.said
        # The rest of its output is kept with the log, so that no pipe ever fills.
        self._reader = threading.Thread(target=self._drain, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        until(lambda: self.ask("GET", "/readyz").status == 200, "the gateway is ready")

    def _drain(self, stream: Any) -> None:
        with self.log.open("ab") as log:
            for line in stream:
                log.write(line)

    def _ended(self) -> int:
        assert self._process is not None
        status = self._process.wait(timeout=STOP_WITHIN)
        if self._reader is not None:
            self._reader.join(timeout=STOP_WITHIN)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return status

    def ask_to_stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def stop(self) -> None:
        """Stop it gracefully; anything but exit status 0 is a failure."""
        self.ask_to_stop()
        self.wait_stopped()

    def wait_stopped(self) -> None:
        """Wait for the end of a graceful stop that was asked for."""
        status = self._ended()
        assert status == 0, f"exit status {status} after SIGTERM:\n{self.logged()[-3000:]}"

    def kill(self) -> None:
        """As a power cut does to a process: SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._ended() == -signal.SIGKILL

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def address(self) -> Address:
        url = urlsplit(self.said["base_url"])
        assert url.hostname is not None and url.port is not None
        return (url.hostname, url.port)

    @property
    def base_url(self) -> str:
        url: str = self.said["base_url"]
        return url

    @cached_property
    def document(self) -> Document:
        """The document of this binary; every answer is compared with it."""
        return Document(wire.once(self.address, "GET", "/openapi.json").json)

    def ask(self, method: str, path: str, headers: wire.Headers = (), body: bytes | None = None) -> Answer:
        """One request; the answer is compared with the document and kept in the transcript."""
        answer = wire.once(self.address, method, path, headers, body)
        self.document.check(method, path, answer)
        self.transcript.append(answer.head + b"\r\n\r\n" + answer.body)
        return answer

    def raw(self, data: bytes) -> Answer:
        """Send bytes as they are on a connection of their own."""
        with wire.Connection(self.address) as connection:
            connection.send(data)
            answer = connection.answer()
        self.transcript.append(answer.head + b"\r\n\r\n" + answer.body)
        return answer

    def metrics_text(self) -> str:
        url = urlsplit(self.said["metrics_url"])
        assert url.hostname is not None and url.port is not None
        answer = wire.once((url.hostname, url.port), "GET", url.path or "/metrics")
        assert answer.status == 200, answer
        return answer.body.decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of one metric that carry these labels."""
        total, found = 0.0, False
        for line in self.metrics_text().splitlines():
            if line.startswith("#"):
                continue
            sample, value, *_ = line.rsplit(" ", 1)
            sample_name, _, rest = sample.partition("{")
            if sample_name == name and all(f'{key}="{text}"' in rest for key, text in labels.items()):
                total, found = total + float(value), True
        assert found, f"no metric {name} with {labels}:\n{self.metrics_text()}"
        return total

    def logged(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def limit_file_size(self, size: int) -> None:
        """From now on no file of the process grows beyond `size` bytes; -1 takes the limit away."""
        limit = resource.RLIM_INFINITY if size < 0 else size
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def command(self, *arguments: str, token: str) -> subprocess.CompletedProcess[str]:
        """Run a management command against this gateway."""
        return relynt(*arguments, environment={"RELYNT_API_BASE_URL": self.base_url, "RELYNT_ACCESS_TOKEN": token})
