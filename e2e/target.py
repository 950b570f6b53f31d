"""A scripted target for connectors, in a process of its own: it counts what reaches it.

The path says how it behaves; several words are taken in order:
`/ok` answers 200, `/status/503` that status, `/delay/200` waits that many milliseconds first,
`/held` waits until it is released, `/never` reads the request and says nothing, `/close` ends the
connection instead of answering, `/cut/head` and `/cut/body` end it inside the answer,
`/text` answers text, `/empty` nothing, `/array` a JSON array, `/big/2000000` that many bytes,
`/echo` what was sent, `/leak` the request's headers as text of its own.
Everything below `/_` is control and is not counted.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

import wire
from waiting import until


class Served:
    """What the target has seen; lives in the target's process."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[dict[str, Any]] = []
        self.by_key: Counter[str] = Counter()
        self.released = asyncio.Event()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        control = False
        self.connections += 1
        try:
            while head := await _head(reader):
                line, headers = head
                method, path, _ = line.split(" ", 2)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if path.startswith("/_"):
                    if not control:
                        control = True
                        self.connections -= 1
                    _write(writer, 200, json.dumps(self._control(path)).encode())
                else:
                    self._count(method, path, headers, body)
                    if not await self._behave(path, headers, body, writer):
                        return
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _control(self, path: str) -> dict[str, Any]:
        if path == "/_release":
            self.released.set()
        if path == "/_hold":
            self.released.clear()
        return {"connections": self.connections, "by_key": dict(self.by_key), "requests": self.requests}

    def _count(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        self.by_key[headers.get("idempotency-key", "")] += 1
        seen = {"method": method, "path": path, "headers": headers, "body": body.decode("utf-8", "replace")}
        self.requests.append(seen)

    async def _behave(self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer as the path says; false when the connection is to end."""
        words = iter(path.partition("?")[0].strip("/").split("/"))
        status, media, answer = 200, "application/json", b'{"done":true}'
        for word in words:
            match word:
                case "status":
                    status = int(next(words))
                case "delay":
                    await _pause(int(next(words)))
                case "held":
                    await self.released.wait()
                case "never":
                    await asyncio.Event().wait()
                case "close":
                    return False
                case "cut":
                    cut_head = next(words) == "head"
                    writer.write(
                        b"HTTP/1.1 200 O" if cut_head else b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"do'
                    )
                    await writer.drain()
                    return False
                case "text":
                    media, answer = "text/plain; charset=utf-8", "done, ganz über".encode()
                case "empty":
                    answer = b""
                case "array":
                    answer = b"[1,2,3]"
                case "big":
                    media, answer = "text/plain", b"x" * int(next(words))
                case "echo":
                    answer = json.dumps({"sent": json.loads(body or b"null")}).encode()
                case "leak":
                    answer = json.dumps({"headers": headers}).encode()
        _write(writer, status, answer, media)
        return True


async def _pause(milliseconds: int) -> None:
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(milliseconds / 1000, done.set_result, None)
    await done


async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (entry.partition(":") for entry in lines)
    return line, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _write(writer: asyncio.StreamWriter, status: int, body: bytes, media: str = "application/json") -> None:
    head = f"HTTP/1.1 {status} Scripted\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def _main() -> None:
    served = Served()
    server = await asyncio.start_server(served.connection, "127.0.0.1", 0, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


class Target:
    """The target, seen from the scenarios."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.port: int = json.loads(self._process.stdout.readline())["port"]

    def __enter__(self) -> Target:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.port}{behaviour}"

    def _ask(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = wire.once(("127.0.0.1", self.port), "GET", path).json
        return answer

    def seen(self) -> dict[str, Any]:
        """`connections`, `by_key` (requests by idempotency key) and `requests`."""
        return self._ask("/_seen")

    @property
    def count(self) -> int:
        """How many requests have arrived."""
        return len(self.seen()["requests"])

    def hold(self) -> None:
        """From now on `/held` waits."""
        self._ask("/_hold")

    def release(self) -> None:
        """Everything that waits in `/held` is answered, and everything that comes later."""
        self._ask("/_release")

    def wait_for(self, count: int) -> None:
        until(lambda: self.count >= count, f"{count} requests at the target")


if __name__ == "__main__":
    asyncio.run(_main())
