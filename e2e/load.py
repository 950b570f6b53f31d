"""Many tool calls over many connections."""

from __future__ import annotations

import itertools
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


def call_many(
    address: Address,
    requests: list[tuple[str, bytes]],
    *,
    connections: int,
    answered: Callable[[int], None] = lambda count: None,
) -> list[Called]:
    """Send every (key, request) once, `connections` at a time, until all are answered or the gateway is gone.

    `answered` is told the number of answers so far, by whichever thread got one.
    """
    results: list[Called] = []
    position = itertools.count()
    lock = threading.Lock()
    done = itertools.count(1)
    faults: list[BaseException] = []

    def work() -> None:
        try:
            with Connection(address, timeout=120) as connection:
                while (at := next(position)) < len(requests):
                    key, data = requests[at]
                    try:
                        connection.send(data)
                        answer = connection.answer()
                    except (wire.Cut, ConnectionError):
                        with lock:
                            results.append(Called(key, None))
                        return
                    with lock:
                        results.append(Called(key, answer))
                    answered(next(done))
        except ConnectionError:
            return
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return results


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
