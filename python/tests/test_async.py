"""Event loops: nothing blocks them, cancelling aborts, closing is clean."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable

import pytest
import uvloop
from conftest import connect
from fake_gateway import (
    ALLOW,
    APPROVAL,
    FakeGateway,
    after,
    approval,
    hang,
)
from relynt import RelyntClient

Runner = Callable[..., object]


def ask(client: RelyntClient, key: str | None = None) -> asyncio.Task[object]:
    call = client.async_request_action("a", "r", {"n": 1}, idempotency_key=key)
    return asyncio.ensure_future(call)


@pytest.fixture(params=["asyncio", "uvloop", "no reader"])
def run(request: pytest.FixtureRequest) -> Runner:
    if request.param == "asyncio":
        return asyncio.run
    if request.param == "uvloop":
        return uvloop.run

    def without_reader(main: object) -> object:
        loop = asyncio.SelectorEventLoop()
        add_reader = loop.add_reader

        def refuse(fd: int, callback: Callable[..., object], *args: object) -> None:
            if getattr(callback, "__name__", "") == "_drain":
                raise NotImplementedError
            add_reader(fd, callback, *args)

        loop.add_reader = refuse  # type: ignore[assignment, method-assign]
        try:
            return loop.run_until_complete(main)  # type: ignore[arg-type]
        finally:
            loop.close()

    return without_reader


def test_many_calls_run_at_once(fake: FakeGateway, run: Runner) -> None:
    together = threading.Barrier(64)

    def meet(talk: object) -> None:
        together.wait(30)
        ALLOW(talk)  # type: ignore[arg-type]

    fake.default = meet

    async def main() -> None:
        async with connect(fake) as client:
            for _ in range(3):
                results = await asyncio.gather(*(ask(client) for _ in range(64)))
                assert len(results) == 64

    run(main())
    assert len(fake.requests) == 3 * 64
    assert len(set(fake.keys())) == 3 * 64
    assert fake.connections == 64


def test_loop_goes_on_while_a_call_waits(fake: FakeGateway, run: Runner) -> None:
    go = threading.Event()
    fake.default = after(go, ALLOW)

    async def main() -> int:
        turns = 0
        async with connect(fake) as client:
            task = ask(client)
            while not task.done():
                turns += 1
                if turns == 1000:
                    go.set()
                await asyncio.sleep(0)
            await task
        return turns

    assert run(main()) >= 1000  # type: ignore[operator]


def test_cancelling_the_task_closes_the_connection(fake: FakeGateway, run: Runner) -> None:
    left = threading.Event()
    fake.say(hang(left=left))

    async def main() -> None:
        async with connect(fake) as client:
            task = ask(client)
            await asyncio.to_thread(fake.wait_for_requests, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(left.wait, 10)
            assert await ask(client)

    run(main())
    assert len(fake.requests) == 2


def test_timeout_of_the_caller_aborts_a_poll(fake: FakeGateway, run: Runner) -> None:
    left = threading.Event()
    fake.say(hang(left=left))

    async def main() -> None:
        client = connect(fake)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.async_poll_approval(APPROVAL), 0.2)
        assert await asyncio.to_thread(left.wait, 10)

    run(main())


def test_cancelling_during_a_retry_wait_ends_it(fake: FakeGateway, run: Runner) -> None:
    from fake_gateway import problem

    fake.default = problem(503, "unavailable", headers={"Retry-After": "10"})

    async def main() -> float:
        client = connect(fake)
        start = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ask(client), 0.3)
        return time.monotonic() - start

    assert run(main()) < 3  # type: ignore[operator]
    assert len(fake.requests) == 1


def test_loop_may_close_while_calls_are_under_way(fake: FakeGateway, run: Runner) -> None:
    go = threading.Event()
    fake.default = after(go, ALLOW)
    client = connect(fake)

    async def main() -> None:
        abandoned = [ask(client) for _ in range(8)]
        await asyncio.to_thread(fake.wait_for_requests, 8)
        for task in abandoned:
            task.cancel()

    run(main())
    go.set()
    fake.default = ALLOW

    async def again() -> object:
        return await ask(client)

    assert run(again())


def test_one_client_serves_many_loops_in_many_threads(fake: FakeGateway, run: Runner) -> None:
    client = connect(fake)
    failures: list[BaseException] = []

    async def main() -> None:
        await asyncio.gather(*(ask(client) for _ in range(10)))

    def work() -> None:
        try:
            for _ in range(3):
                run(main())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(fake.requests) == 8 * 3 * 10


def test_sync_and_async_mix_in_one_client(fake: FakeGateway, run: Runner) -> None:
    client = connect(fake)

    async def main() -> None:
        pair = await asyncio.gather(
            ask(client), asyncio.to_thread(client.request_action, "a", "r")
        )
        assert len(pair) == 2

    run(main())


def test_approval_is_awaited_beside_other_work(fake: FakeGateway, run: Runner) -> None:
    decided = threading.Event()
    fake.say(after(decided, approval()))

    async def main() -> None:
        async with connect(fake) as client:
            waiting = asyncio.ensure_future(client.async_poll_approval(APPROVAL))
            await asyncio.to_thread(fake.wait_for_requests, 1)
            await ask(client)
            assert not waiting.done()
            decided.set()
            assert (await waiting).status == "approved"

    run(main())


def test_closed_loops_leave_no_open_files(fake: FakeGateway, run: Runner) -> None:
    def files() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    async def main(client: RelyntClient) -> None:
        await ask(client)

    with connect(fake) as client:
        run(main(client))
        before = files()
        for _ in range(20):
            run(main(client))
        deadline = time.monotonic() + 5
        while files() > before + 5 and time.monotonic() < deadline:
            pass
        assert files() <= before + 5


def test_call_without_a_loop_is_refused_as_asyncio_does(fake: FakeGateway) -> None:
    call = connect(fake).async_request_action("a", "r")
    with pytest.raises(RuntimeError, match="no running event loop"):
        call.send(None)
