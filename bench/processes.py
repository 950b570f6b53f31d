"""What the benchmark starts, and what the kernel says of it."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Any

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """Something could not be measured."""


def many_files() -> None:
    """In a child before its program: as many open files as the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without anything that configures Relynt."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RELYNT_")} | (extra or {})


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid: int, field: str = "VmRSS") -> float:
    """The resident set, or with `VmHWM` the most that it was."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    raise Failed(f"the kernel does not tell {field}")


def forget_peak(pid: int) -> None:
    """From here on `VmHWM` counts anew."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


class Child:
    """A program that serves until it is stopped."""

    def __init__(self, arguments: list[str | Path], log: Path, *, env: dict[str, str] | None = None) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self.log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=env or environment(),
                preexec_fn=many_files,
            )
        self.pid = self.process.pid

    def first_line(self) -> dict[str, Any]:
        """What it says of itself once it serves."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.arguments[0]} did not start:\n{self.log.read_text(errors='replace')[-2000:]}")
        said: dict[str, Any] = json.loads(line)
        self.drain(self.process.stdout)
        return said

    def drain(self, stream: IO[bytes]) -> None:
        """Nobody reads the rest, and no pipe may fill."""

        def discard() -> None:
            while stream.read(65536):
                pass

        threading.Thread(target=discard, daemon=True).start()

    def cpu(self) -> float:
        return cpu_seconds(self.pid)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        # A log of a million lines is no result.
        if self.log.exists():
            os.truncate(self.log, 0)


class Api:
    """Calls of management, one connection each: never measured."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, method: str, path: str, value: Any = None, bearer: str = "", key: str = "") -> Any:
        headers = {"Content-Type": "application/json"}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        if key:
            headers["Idempotency-Key"] = key
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request(method, path, None if value is None else json.dumps(value), headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise Failed(f"{method} {path}: {response.status} {body[:500].decode(errors='replace')}")
        return json.loads(body) if body else None


class Peak:
    """The most memory that a process has while this is open, and its CPU time."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.most_mib = 0.0
        self.cpu_s = 0.0

    def __enter__(self) -> Peak:
        forget_peak(self.pid)
        self.cpu_s = -cpu_seconds(self.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_s += cpu_seconds(self.pid)
        self.most_mib = memory_mib(self.pid, "VmHWM")


class Watch:
    """The resident set of a process, twice a second while this is open."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.mib: list[float] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self) -> None:
        while not self.over.wait(0.5):
            self.mib.append(memory_mib(self.pid))

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def halves(self) -> list[float]:
        """The most of the first and of the second half."""
        middle = len(self.mib) // 2
        return [max(half) for half in (self.mib[:middle], self.mib[middle:]) if half]


def run_json(arguments: list[str | Path], *, stdin: str = "", timeout: float = 1800) -> Any:
    """Run a program to its end and read the JSON that it prints."""
    ran = subprocess.run(
        [str(argument) for argument in arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
        preexec_fn=many_files,
        check=False,
    )
    if ran.returncode != 0:
        raise Failed(f"{' '.join(map(str, arguments))}: exit status {ran.returncode}\n{ran.stderr[-2000:]}")
    return json.loads(ran.stdout)


def wait_until(what: str, seconds: float, test: Any) -> None:
    """Look again and again until `test` is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if test():
                return
        except (OSError, http.client.HTTPException, Failed):
            pass
        time.sleep(0.02)
    raise Failed(f"{what} did not come within {seconds:.0f} s")
