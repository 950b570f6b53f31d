"""One client under load, in a process of its own: `sdk_client.py CLIENT KIND AT_ONCE SECONDS`.

Every client does what a careful program would do by hand: payload to JSON, credential and a fresh
idempotency key as headers, one kept connection a thread or task, the answer's JSON read and its
decision looked at. The address is the first line of standard input.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import resource
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

PATH = "/v1/agent-tool-call"
UNKNOWN = "rly_" + "A" * 22 + "_" + "A" * 43
# Of the form of a credential, checksum included; no gateway knows it.
SECRET = UNKNOWN + base64.urlsafe_b64encode(zlib.crc32(UNKNOWN.encode()).to_bytes(4, "big")).decode()[:6]

Call = Callable[[int], str]
AsyncCall = Callable[[int], Awaitable[str]]


def payload(number: int) -> dict[str, Any]:
    previous = 1000 + (number * 37) % 90_000
    return {
        "amount": previous + number % 900,
        "previous_amount": previous,
        "currency": "EUR",
        "stage": ("qualified", "proposal", "negotiation")[number % 3],
        "close_date": f"2026-{1 + number % 12:02}-{1 + number % 28:02}",
        "note": f"after call {number}: went well, the customer asks for {5 + number % 40} more seats",
        "reference": f"{number * 7919:012}",
    }


PAYLOADS = [payload(number) for number in range(10_000)]


def body(number: int) -> dict[str, Any]:
    return {
        "action": "update_deal",
        "resource": f"crm:deny:{number % 10_000}",
        "instance_id": "bench-0001",
        "payload": PAYLOADS[number % 10_000],
    }


def headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRET}", "Idempotency-Key": str(uuid.uuid4())}


def relynt_sync(base: str, at_once: int) -> Callable[[], Call]:
    from relynt import RelyntClient  # type: ignore[import-not-found, unused-ignore]

    client = RelyntClient(base, SECRET)

    def call(number: int) -> str:
        number %= 10_000
        return str(client.request_action("update_deal", f"crm:deny:{number}", PAYLOADS[number]).decision)

    return lambda: call


def httpx_sync(base: str, at_once: int) -> Callable[[], Call]:
    import httpx

    client = httpx.Client(limits=httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once))

    def call(number: int) -> str:
        answer = client.post(base + PATH, json=body(number), headers=headers())
        answer.raise_for_status()
        return str(answer.json()["decision"])

    return lambda: call


def requests_sync(base: str, at_once: int) -> Callable[[], Call]:
    import requests

    def of_thread() -> Call:
        session = requests.Session()

        def call(number: int) -> str:
            answer = session.post(base + PATH, json=body(number), headers=headers(), timeout=30)
            answer.raise_for_status()
            return str(answer.json()["decision"])

        return call

    return of_thread


def urllib3_sync(base: str, at_once: int) -> Callable[[], Call]:
    import urllib3

    pool = urllib3.PoolManager(maxsize=at_once)

    def call(number: int) -> str:
        answer = pool.request("POST", base + PATH, json=body(number), headers=headers())
        if answer.status != 200:
            raise RuntimeError(answer.status)
        return str(answer.json()["decision"])

    return lambda: call


def pyreqwest_sync(base: str, at_once: int) -> Callable[[], Call]:
    from pyreqwest.client import SyncClientBuilder

    client = SyncClientBuilder().error_for_status(True).build()

    def call(number: int) -> str:
        answer = client.post(base + PATH).headers(headers()).body_json(body(number)).build().send()
        return str(answer.json()["decision"])

    return lambda: call


async def relynt_async(base: str, at_once: int) -> AsyncCall:
    from relynt import RelyntClient  # type: ignore[import-not-found, unused-ignore]

    client = RelyntClient(base, SECRET)

    async def call(number: int) -> str:
        number %= 10_000
        answer = await client.async_request_action("update_deal", f"crm:deny:{number}", PAYLOADS[number])
        return str(answer.decision)

    return call


async def httpx_async(base: str, at_once: int) -> AsyncCall:
    import httpx

    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once))

    async def call(number: int) -> str:
        answer = await client.post(base + PATH, json=body(number), headers=headers())
        answer.raise_for_status()
        return str(answer.json()["decision"])

    return call


async def aiohttp_async(base: str, at_once: int) -> AsyncCall:
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once))

    async def call(number: int) -> str:
        async with session.post(base + PATH, json=body(number), headers=headers()) as answer:
            answer.raise_for_status()
            return str((await answer.json())["decision"])

    return call


async def pyreqwest_async(base: str, at_once: int) -> AsyncCall:
    from pyreqwest.client import ClientBuilder

    client = ClientBuilder().error_for_status(True).build()

    async def call(number: int) -> str:
        answer = await client.post(base + PATH).headers(headers()).body_json(body(number)).build().send()
        return str((await answer.json())["decision"])

    return call


SYNC = {
    "relynt": relynt_sync,
    "httpx": httpx_sync,
    "requests": requests_sync,
    "urllib3": urllib3_sync,
    "pyreqwest": pyreqwest_sync,
}
ASYNC = {"relynt": relynt_async, "httpx": httpx_async, "aiohttp": aiohttp_async, "pyreqwest": pyreqwest_async}


def threads(client: str, base: str, at_once: int, seconds: float) -> tuple[int, float]:
    make = SYNC[client](base, at_once)
    counts = [0] * at_once
    failed: list[BaseException] = []
    # Begins once every thread has had its first answer: imports and connecting are no calls.
    ready = threading.Barrier(at_once + 1)

    def work(thread: int) -> None:
        try:
            call = make()
            number = thread * 157
            call(number)
            ready.wait(60)
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                number += 1
                if call(number) != "deny":
                    raise RuntimeError("that is not the answer")
                counts[thread] += 1
        except BaseException as error:
            failed.append(error)
            ready.abort()

    running = [threading.Thread(target=work, args=(thread,)) for thread in range(at_once)]
    for thread in running:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        ready.wait(60)
    begin = time.perf_counter()
    for thread in running:
        thread.join()
    if failed:
        raise failed[0]
    return sum(counts), time.perf_counter() - begin


async def tasks(client: str, base: str, at_once: int, seconds: float) -> tuple[int, float]:
    call = await ASYNC[client](base, at_once)
    await asyncio.gather(*(call(task) for task in range(at_once)))
    count = 0
    begin = time.perf_counter()
    end = begin + seconds

    async def work(task: int) -> None:
        nonlocal count
        number = task * 157
        while time.perf_counter() < end:
            number += 1
            if await call(number) != "deny":
                raise RuntimeError("that is not the answer")
            count += 1

    await asyncio.gather(*(work(task) for task in range(at_once)))
    return count, time.perf_counter() - begin


def main() -> None:
    client, kind, at_once, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    base = "http://" + sys.stdin.readline().strip()
    if kind == "threads":
        count, taken = threads(client, base, at_once, seconds)
    else:
        count, taken = asyncio.run(tasks(client, base, at_once, seconds))
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "calls": count,
        "rate": count / taken,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
    # Clients are left open: closing them is not what is measured.
    os._exit(0)


if __name__ == "__main__":
    main()
