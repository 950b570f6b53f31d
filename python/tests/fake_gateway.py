"""A gateway made of plain sockets that says, and breaks, exactly what a test tells it to.

A script is a list of replies, one per request that arrives; when it is used up, `ALLOW` is said
to everything. Nothing here sleeps: what is slow waits for an event or for the client to leave.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

RECEIPT = "0192d000-0000-7000-8000-000000000001"
FINAL_RECEIPT = "0192d000-0000-7000-8000-000000000002"
APPROVAL = "0192d000-0000-7000-8000-00000000000a"
LONG = 60.0


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Talk:
    """The server's side of one request."""

    gateway: FakeGateway
    socket: socket.socket
    request: Request
    keep: bool = True

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def wait_for_client_to_leave(self) -> bool:
        """True once the client has closed the connection."""
        try:
            return self.socket.recv(1) == b""
        except OSError:
            return True


Reply = Callable[[Talk], None]


def answer(
    status: int = 200,
    body: object = None,
    *,
    headers: dict[str, str] | None = None,
    raw: bytes | None = None,
    chunked: bool = False,
    close: bool = False,
    content_type: str = "application/json",
) -> Reply:
    """A whole HTTP answer."""

    def reply(talk: Talk) -> None:
        talk.send(encode(status, body, headers, raw, chunked, close, content_type))
        talk.keep = not close

    return reply


def encode(
    status: int,
    body: object,
    headers: dict[str, str] | None = None,
    raw: bytes | None = None,
    chunked: bool = False,
    close: bool = False,
    content_type: str = "application/json",
) -> bytes:
    content = json.dumps(body).encode() if raw is None else raw
    lines = [f"HTTP/1.1 {status} Status", f"Content-Type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if close:
        lines.append("Connection: close")
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        pieces = [content[i : i + 7] for i in range(0, len(content), 7)]
        content = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
    else:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def problem(
    status: int,
    code: str,
    *,
    headers: dict[str, str] | None = None,
    **members: object,
) -> Reply:
    """Problem details as the gateway sends them."""
    body = {
        "type": f"https://example.invalid/{code}",
        "title": code.replace("_", " "),
        "status": status,
        "detail": f"detail of {code}",
        "code": code,
        "request_id": "request-1",
        **members,
    }
    content_type = "application/problem+json"
    return answer(status, body, headers=headers, content_type=content_type)


def decision(kind: str = "allow", **members: object) -> Reply:
    """A 200 to a tool call."""
    return answer(200, decision_body(kind, **members))


def decision_body(kind: str = "allow", **members: object) -> dict[str, object]:
    body: dict[str, object] = {
        "decision": kind,
        "receipt_id": RECEIPT,
        "reason": "rule `1` says so",
        "risk_level": "low",
        "policy_version": "v3",
        "approval_id": APPROVAL if kind == "pending_approval" else None,
        "tool_response": None,
        "performed_by": "agent" if kind == "allow" else None,
        "valid_until": "2999-01-01T00:00:00.000Z" if kind == "allow" else None,
        "execution": None,
    }
    body.update(members)
    return body


def approval(status: str = "approved", **members: object) -> Reply:
    """A 200 to a look at an approval."""
    return answer(200, approval_body(status, **members))


def approval_body(status: str = "approved", **members: object) -> dict[str, object]:
    decided = status in ("approved", "denied")
    body: dict[str, object] = {
        "approval_id": APPROVAL,
        "status": status,
        "created_at": "2026-11-23T15:00:00.000Z",
        "expires_at": "2026-11-23T16:00:00.000Z",
        "revision": 1,
        "decided_by": "slack:U12345" if decided else None,
        "decided_at": "2026-11-23T15:01:00.000Z" if decided else None,
        "note": None,
        "receipt_id": RECEIPT,
        "final_receipt_id": None if status == "pending" else FINAL_RECEIPT,
        "performed_by": "agent" if status == "approved" else None,
        "valid_until": "2999-01-01T00:00:00.000Z" if status == "approved" else None,
        "execution": None,
        "tool_response": None,
        "blocked_by": None,
    }
    body.update(members)
    return body


ALLOW = decision()


def cut(data: bytes = b"", *, reset: bool = False) -> Reply:
    """Sends a part of an answer, or nothing, and closes the connection."""

    def reply(talk: Talk) -> None:
        if data:
            talk.send(data)
        if reset:
            linger = struct.pack("ii", 1, 0)
            talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        talk.keep = False

    return reply


def hang(data: bytes = b"", left: threading.Event | None = None) -> Reply:
    """Sends a part of an answer, or nothing, and then waits until the client leaves."""

    def reply(talk: Talk) -> None:
        if data:
            talk.send(data)
        talk.keep = False
        if talk.wait_for_client_to_leave() and left is not None:
            left.set()

    return reply


def after(event: threading.Event, then: Reply) -> Reply:
    """Waits for an event first."""

    def reply(talk: Talk) -> None:
        assert event.wait(LONG)
        then(talk)

    return reply


def close_when_idle(then: Reply) -> Reply:
    """Answers as if the connection lived on, and closes it."""

    def reply(talk: Talk) -> None:
        then(talk)
        talk.keep = False

    return reply


@dataclass
class FakeGateway:
    """Use as a context manager; `url` is where it listens."""

    script: list[Reply] = field(default_factory=list[Reply])
    default: Reply = ALLOW
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list[Request])
    connections: int = 0
    cut_connections: int = 0
    """So many connections are closed before a byte is read."""

    def __enter__(self) -> FakeGateway:
        self.lock = threading.Lock()
        self.arrived = threading.Condition(self.lock)
        self.open: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self.listener.getsockname()[1]
        scheme = "https" if self.tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Closes the listener and every connection."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            connections = list(self.open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def say(self, *replies: Reply) -> None:
        """Appends to the script."""
        with self.lock:
            self.script.extend(replies)

    def wait_for_requests(self, count: int) -> None:
        """Returns once so many requests have arrived."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, LONG)

    def keys(self) -> list[str]:
        """The idempotency keys, in the order of arrival."""
        return [request.headers["idempotency-key"] for request in self.requests]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
                if self.cut_connections:
                    self.cut_connections -= 1
                    connection.close()
                    continue
                self.open.add(connection)
            arguments = (connection, number)
            threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        original = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self._talk(connection, number)
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(original)
            connection.close()

    def _talk(self, connection: socket.socket, number: int) -> None:
        buffered = b""
        while True:
            request, buffered = read_request(connection, buffered, number)
            if request is None:
                return
            with self.arrived:
                self.requests.append(request)
                reply = self.script.pop(0) if self.script else self.default
                self.arrived.notify_all()
            talk = Talk(self, connection, request)
            reply(talk)
            if not talk.keep:
                return


def read_request(
    connection: socket.socket, buffered: bytes, number: int
) -> tuple[Request | None, bytes]:
    """One request, and what came behind it."""
    while b"\r\n\r\n" not in buffered:
        data = connection.recv(65536)
        if not data:
            return None, b""
        buffered += data
    head, _, rest = buffered.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    length = int(headers.get("content-length", "0"))
    while len(rest) < length:
        data = connection.recv(65536)
        if not data:
            return None, b""
        rest += data
    method, path, _ = first.split(" ")
    return Request(method, path, headers, rest[:length], number), rest[length:]


class TunnelProxy:
    """A proxy that leads tunnels, whatever they ask for, to one address; optionally ending
    their TLS there, so that a gateway without TLS can be reached by a name with it."""

    def __init__(
        self,
        target: tuple[str, int],
        *,
        tls: ssl.SSLContext | None = None,
        authorization: str | None = None,
        status: int = 200,
    ) -> None:
        self.target = target
        self.tls = tls
        self.authorization = authorization
        self.status = status
        self.asked: list[Request] = []

    def __enter__(self) -> TunnelProxy:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            request, _ = read_request(connection, b"", 0)
            if request is None:
                return
            self.asked.append(request)
            allowed = request.headers.get("proxy-authorization") == self.authorization
            status = self.status if allowed else 407
            connection.sendall(f"HTTP/1.1 {status} Status\r\n\r\n".encode())
            if status != 200:
                return
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with socket.create_connection(self.target) as onward:
                back = threading.Thread(target=_pump, args=(onward, connection), daemon=True)
                back.start()
                _pump(connection, onward)
                back.join(LONG)
        except OSError:
            pass
        finally:
            connection.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        for data in iter(lambda: source.recv(65536), b""):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def replies(items: Iterable[Reply]) -> list[Reply]:
    """For scripts that are built in a loop."""
    return list(items)
