"""Many tool calls over many connections."""

from __future__ import annotations

import itertools
import selectors
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import wire
from wire import Address, Answer, Connection, encode
from world import Agent, body


@dataclass(frozen=True)
class Called:
    """One call and its answer; None when the connection ended without one."""

    key: str
    answer: Answer | None


def tool_call(agent: Agent, key: str, value: Mapping[str, object]) -> bytes:
    """The bytes of a tool call."""
    headers = [
        ("Authorization", f"Bearer {agent.secret}"),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", key),
    ]
    return encode("POST", "/v1/agent-tool-call", headers, body(value))


class _Lane:
    """One connection of a load: at most one request under way."""

    def __init__(self, address: Address) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.key = ""
        self.received = b""

    def send(self, key: str, data: bytes) -> None:
        self.key, self.received = key, b""
        self.socket.sendall(data)

    def is_answered(self) -> bool:
        """Read what is there; true when the answer is whole."""
        data = self.socket.recv(65536)
        if not data:
            raise wire.Cut("closed before the answer was complete")
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return False
        at = self.received.find(b"content-length: ", 0, head) + len(b"content-length: ")
        return len(self.received) == head + 4 + int(self.received[at : self.received.index(b"\r", at)])


def call_many(
    address: Address,
    requests: list[tuple[str, bytes]],
    *,
    connections: int,
    answered: Callable[[int], None] = lambda count: None,
) -> list[Called]:
    """Send every (key, request) once, `connections` at a time, until all are answered or the gateway is gone.

    One thread that does next to nothing for a call, so that it is the gateway that has to work.
    `answered` is told the number of answers so far.
    """
    received: list[tuple[str, bytes]] = []
    lost: list[str] = []
    waiting = iter(requests)
    with selectors.DefaultSelector() as selector:
        for key, data in itertools.islice(waiting, connections):
            lane = _Lane(address)
            selector.register(lane.socket, selectors.EVENT_READ, lane)
            lane.send(key, data)
        while selector.get_map():
            ready = selector.select(timeout=60)
            assert ready, "no answer for a minute"
            for chosen, _ in ready:
                lane = chosen.data
                try:
                    if not lane.is_answered():
                        continue
                    received.append((lane.key, lane.received))
                    answered(len(received))
                    lane.key = ""
                    following = next(waiting, None)
                    if following is not None:
                        lane.send(*following)
                        continue
                except ConnectionError:
                    lost.append(lane.key)
                selector.unregister(lane.socket)
                lane.socket.close()
    return [Called(key, wire.parse(data)) for key, data in received] + [Called(key, None) for key in lost if key]


def at_once(address: Address, requests: list[bytes], sent: Callable[[], None] = lambda: None) -> list[Answer]:
    """Send every request on a connection of its own, all before any answer is read; `sent` is called between."""
    opened = [Connection(address, timeout=120) for _ in requests]
    try:
        for connection, data in zip(opened, requests, strict=True):
            connection.send(data)
        sent()
        answers: list[Answer | None] = [None] * len(opened)

        def read(at: int) -> None:
            answers[at] = opened[at].answer()

        threads = [threading.Thread(target=read, args=(at,)) for at in range(len(opened))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [answer for answer in answers if answer is not None]
    finally:
        for connection in opened:
            connection.close()
