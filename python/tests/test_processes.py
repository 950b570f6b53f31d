"""Threads, signals, forks, exits: each in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import SECRET, connect
from fake_gateway import ALLOW, APPROVAL, FakeGateway, after, hang

TESTS = Path(__file__).parent
PREAMBLE = """
import asyncio, os, sys, threading, time
from relynt import RelyntClient, RelyntError
client = RelyntClient.from_env(timeout_s=60)
"""


def start(python: str, url: str, code: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "RELYNT_API_BASE_URL": url,
        "RELYNT_AGENT_SECRET": SECRET,
        "PYTHONFAULTHANDLER": "1",
        # Newer versions warn of every fork of a process with threads.
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
    }
    return subprocess.Popen(
        [python, "-W", "error::UserWarning", "-c", PREAMBLE + code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child: subprocess.Popen[str], seconds: float = 60) -> str:
    """The output of a child that ends well and in time."""
    try:
        output, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGABRT)
        output, errors = child.communicate()
        raise AssertionError(f"did not end: {output} {errors}") from None
    assert child.returncode == 0, (child.returncode, output, errors)
    assert errors == ""
    return output


def test_sixty_four_threads_share_a_client(fake: FakeGateway) -> None:
    together = threading.Barrier(64)

    def meet(talk: object) -> None:
        together.wait(30)
        ALLOW(talk)  # type: ignore[arg-type]

    fake.default = meet
    results: list[str] = []
    with connect(fake) as client:

        def work() -> None:
            for _ in range(5):
                results.append(client.request_action("a", "r").decision)

        threads = [threading.Thread(target=work) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == ["allow"] * 64 * 5
    assert len(set(fake.keys())) == 64 * 5
    assert fake.connections == 64


def test_other_threads_run_while_a_call_waits(fake: FakeGateway) -> None:
    go = threading.Event()
    fake.default = after(go, ALLOW)
    with connect(fake) as client:
        thread = threading.Thread(target=client.request_action, args=("a", "r"))
        thread.start()
        fake.wait_for_requests(1)
        assert thread.is_alive()
        go.set()
        thread.join()


INTERRUPTED = """
start = None
try:
    {call}
except KeyboardInterrupt:
    print("interrupted")
fine = client.request_action("a", "r")
print(fine.decision)
"""


@pytest.mark.parametrize(
    "call",
    [
        'client.request_action("a", "r")',
        f'client.poll_approval("{APPROVAL}")',
        'asyncio.run(client.async_request_action("a", "r"))',
    ],
)
def test_ctrl_c_ends_a_call_at_once(fake: FakeGateway, python: str, call: str) -> None:
    left = threading.Event()
    fake.say(hang(left=left))
    child = start(python, fake.url, INTERRUPTED.format(call=call))
    fake.wait_for_requests(1)
    sent = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert left.wait(10)
    assert time.monotonic() - sent < 1
    assert finish(child) == "interrupted\nallow\n"


def test_ctrl_c_ends_a_tls_handshake(python: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        child = start(python, url, INTERRUPTED.format(call='client.request_action("a", "r")'))
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)
            sent = time.monotonic()
            child.send_signal(signal.SIGINT)
            while connection.recv(65536):
                pass
            assert time.monotonic() - sent < 1
        child.kill()
        output, _ = child.communicate()
    assert output == ""


def test_ctrl_c_ends_a_retry_wait(fake: FakeGateway, python: str) -> None:
    from fake_gateway import problem

    fake.say(problem(503, "unavailable", headers={"Retry-After": "15"}))
    child = start(python, fake.url, INTERRUPTED.format(call='client.request_action("a", "r")'))
    fake.wait_for_requests(1)
    sent = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert finish(child) == "interrupted\nallow\n"
    assert time.monotonic() - sent < 5


def test_other_signal_handlers_run_and_the_call_goes_on(fake: FakeGateway, python: str) -> None:
    go = threading.Event()
    fake.say(after(go, ALLOW))
    code = """
import signal
signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
print("ready", flush=True)
print(client.request_action("a", "r").decision)
"""
    child = start(python, fake.url, code)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    fake.wait_for_requests(1)
    child.send_signal(signal.SIGUSR1)
    assert child.stdout.readline() == "handled\n"
    go.set()
    assert finish(child) == "allow\n"


FORKED = """
client.request_action("a", "r")
asyncio.run(client.async_request_action("a", "r"))
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        client.request_action("a", "child")
        asyncio.run(client.async_request_action("a", "child"))
        inner = os.fork()
        if inner == 0:
            client.request_action("a", "grandchild")
            asyncio.run(client.async_request_action("a", "grandchild"))
            os._exit(0)
        assert os.waitpid(inner, 0)[1] == 0
        client.close()
        os._exit(0)
    children.append(pid)
client.request_action("a", "parent")
asyncio.run(client.async_request_action("a", "parent"))
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
client.request_action("a", "after")
asyncio.run(client.async_request_action("a", "after"))
print("done")
"""


def test_client_works_on_both_sides_of_a_fork(fake: FakeGateway, python: str) -> None:
    assert finish(start(python, fake.url, FORKED)) == "done\n"
    by_connection: dict[int, set[str]] = {}
    for request in fake.requests:
        by_connection.setdefault(request.connection, set()).add(request.json()["resource"])
    # A child never speaks on a connection of its parent.
    for resources in by_connection.values():
        assert not (
            {"child", "grandchild"} & resources and resources & {"r", "parent", "after"}
        )
    assert len(fake.requests) == 2 + 4 * 4 + 2 + 2
    assert len(set(fake.keys())) == len(fake.requests)


FORK_UNDER_LOAD = """
stop = threading.Event()
def work():
    while not stop.is_set():
        client.request_action("a", "load")
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
def in_loop():
    async def main():
        while not stop.is_set():
            await asyncio.gather(*(client.async_request_action("a", "load") for _ in range(4)))
    asyncio.run(main())
looping = threading.Thread(target=in_loop)
looping.start()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        client.request_action("a", "child")
        asyncio.run(client.async_request_action("a", "child"))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
for thread in threads + [looping]:
    thread.join()
print("done")
"""


def test_fork_in_the_middle_of_other_calls_is_safe(fake: FakeGateway, python: str) -> None:
    assert finish(start(python, fake.url, FORK_UNDER_LOAD)) == "done\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works(
    fake: FakeGateway, python: str, method: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import asyncio, multiprocessing, os
from relynt import RelyntClient

client = RelyntClient.from_env()

def work(number):
    async def both():
        return (await client.async_request_action("a", str(number))).decision
    return client.request_action("a", str(number)).decision + asyncio.run(both())

if __name__ == "__main__":
    work(-1)
    with multiprocessing.get_context({method!r}).Pool(3) as pool:
        print(set(pool.map(work, range(12))))
"""
    )
    environment = {
        "PATH": os.environ["PATH"],
        "RELYNT_API_BASE_URL": fake.url,
        "RELYNT_AGENT_SECRET": SECRET,
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
    }
    child = subprocess.Popen(
        [python, str(script)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert finish(child) == "{'allowallow'}\n"


EXITS = {
    "after an async call": 'asyncio.run(client.async_request_action("a", "r"))',
    "with a daemon thread in a call": """
threading.Thread(target=client.request_action, args=("a", "hang"), daemon=True).start()
client.request_action("a", "r")
""",
    "with many daemon threads in calls": """
def work():
    while True:
        client.request_action("a", "r")
for _ in range(32):
    threading.Thread(target=work, daemon=True).start()
for _ in range(20):
    client.request_action("a", "r")
""",
    "with a daemon loop": """
def work():
    async def main():
        while True:
            await asyncio.gather(*(client.async_request_action("a", "r") for _ in range(8)))
    asyncio.run(main())
threading.Thread(target=work, daemon=True).start()
client.request_action("a", "r")
""",
    "with an abandoned loop": """
loop = asyncio.new_event_loop()
task = loop.create_task(client.async_request_action("a", "r"))
loop.run_until_complete(asyncio.sleep(0))
import warnings; warnings.simplefilter("ignore")
task._log_destroy_pending = False
""",
    "with a call in an exit handler": """
import atexit
atexit.register(lambda: client.request_action("a", "r"))
""",
    "through sys.exit in a with block": """
with client:
    client.request_action("a", "r")
    sys.exit(0)
""",
}


@pytest.mark.parametrize("name", EXITS)
def test_interpreter_exits_without_hanging(fake: FakeGateway, python: str, name: str) -> None:
    def serve(talk: object) -> None:
        from fake_gateway import Talk

        assert isinstance(talk, Talk)
        waits = b'"resource":"hang"' in talk.request.body
        (hang() if waits else ALLOW)(talk)

    fake.default = serve
    assert finish(start(python, fake.url, EXITS[name]), 20) == ""


def test_exit_handler_that_was_there_first_may_still_call(
    fake: FakeGateway, python: str
) -> None:
    code = """
import atexit
def ask():
    c = RelyntClient(os.environ["RELYNT_API_BASE_URL"], "secret")
    print(c.request_action("a", "r").decision, flush=True)
"""
    script = "import atexit, os\natexit.register(lambda: ask())\n" + PREAMBLE + code
    environment = {
        "PATH": os.environ["PATH"],
        "RELYNT_API_BASE_URL": fake.url,
        "RELYNT_AGENT_SECRET": SECRET,
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
    }
    child = subprocess.Popen(
        [python, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert finish(child, 20) == "allow\n"


def test_dead_thread_leaves_its_connection_to_others(fake: FakeGateway) -> None:
    with connect(fake) as client:
        for _ in range(10):
            thread = threading.Thread(target=client.request_action, args=("a", "r"))
            thread.start()
            thread.join()
    assert fake.connections == 1


def test_subinterpreter_is_refused_cleanly(python: str) -> None:
    code = """
import importlib
for name in ("_interpreters", "_xxsubinterpreters"):
    try:
        interpreters = importlib.import_module(name)
        break
    except ImportError:
        pass
inner = interpreters.create()
script = '''
try:
    import relynt
except ImportError as error:
    print(error, flush=True)
'''
interpreters.run_string(inner, script)
interpreters.destroy(inner)
import relynt
print(relynt.RelyntClient("https://gateway.example", "secret"), flush=True)
"""
    child = subprocess.Popen(
        [python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines = finish(child, 30).splitlines()
    assert lines[0] == "relynt does not support subinterpreters"
    assert lines[1].startswith("RelyntClient(")
