"""HTTP/1.1 over plain sockets: what was sent and what came back is known to the byte."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Address = tuple[str, int]
Headers = Iterable[tuple[str, str]]


class Cut(ConnectionError):
    """The connection ended before the answer did."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key in an answer")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def strict_json(body: bytes) -> Any:
    """Parse JSON; duplicate keys, NaN and bad UTF-8 are errors."""
    return json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    head: bytes = field(repr=False, default=b"")

    def header(self, name: str) -> str | None:
        """The value of a header that occurs at most once."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) <= 1, f"{name} occurs {len(found)} times"
        return found[0] if found else None

    @cached_property
    def json(self) -> Any:
        return strict_json(self.body)

    @property
    def media_type(self) -> str:
        return (self.header("Content-Type") or "").split(";")[0].strip().lower()


def _head(head: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    line, *lines = head.split(b"\r\n")
    version, status, *_ = line.split(b" ", 2)
    assert version.startswith(b"HTTP/1."), line
    pairs = (entry.partition(b":") for entry in lines)
    return int(status), tuple((name.decode("ascii"), value.strip().decode("latin-1")) for name, _, value in pairs)


def parse(message: bytes) -> Answer:
    """An answer that is whole and has a length."""
    head, _, body = message.partition(b"\r\n\r\n")
    status, headers = _head(head)
    return Answer(status, headers, body, head)


class Connection:
    """One connection; any number of requests, one after the other."""

    def __init__(self, address: Address, *, timeout: float = 60.0) -> None:
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def _more(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionError as error:
            raise Cut("reset before the answer was complete") from error
        if not data:
            raise Cut("closed before the answer was complete")
        self._rest += data

    def _until(self, mark: bytes) -> bytes:
        while (at := self._rest.find(mark)) < 0:
            self._more()
        head, self._rest = self._rest[:at], self._rest[at + len(mark) :]
        return head

    def _exactly(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._more()
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def answer(self, method: str = "GET") -> Answer:
        """Read the next answer. `method`: what it answers; HEAD has no body."""
        status = 0
        while status < 200:
            head = self._until(b"\r\n\r\n")
            status, headers = _head(head)
        found = {name.lower(): value for name, value in headers}
        if method == "HEAD" or status in (204, 304):
            body = b""
        elif found.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        elif "content-length" in found:
            body = self._exactly(int(found["content-length"]))
        else:
            body = self._to_end()
        return Answer(status, headers, body, head)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        while self._until(b"\r\n"):
            pass
        return body

    def _to_end(self) -> bytes:
        while data := self.socket.recv(65536):
            self._rest += data
        data, self._rest = self._rest, b""
        return data

    def closed_by_peer(self) -> bool:
        """Read to the end of the stream; whatever still came is kept out of sight."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def request(self, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
        self.send(encode(method, path, headers, body))
        return self.answer(method)


def encode(method: str, path: str, headers: Headers = (), body: bytes | None = None) -> bytes:
    """The bytes of a request. `Host` and `Content-Length` are added unless given."""
    listed = list(headers)
    names = {name.lower() for name, _ in listed}
    if "host" not in names:
        listed.insert(0, ("Host", "gateway.test"))
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        listed.append(("Content-Length", str(len(body))))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in listed)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def once(address: Address, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
    """One request on a connection of its own."""
    with Connection(address) as connection:
        return connection.request(method, path, headers, body)
