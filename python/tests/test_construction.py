"""What a client can be made of, and what it refuses."""

from __future__ import annotations

import copy
import math
import os
import pickle
import subprocess
import sys
import threading
import warnings
from typing import Any

import pytest
from conftest import SECRET, Caller, connect
from fake_gateway import APPROVAL, FakeGateway
from relynt import InsecureTransportWarning, RelyntClient


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        7,
        "gateway.example",
        "ftp://gateway.example",
        "https://",
        "https://user:pass@gateway.example",
        "https://gateway.example/?q=1",
        "https://gateway.example/#f",
        "https://gateway.example\r\nX: y",
        " https://gateway.example",
        "https://gateway.example:99999",
        "https://\ud800.example",
    ],
)
def test_bad_addresses_are_refused(url: Any) -> None:
    with pytest.raises(ValueError, match="base_url"):
        RelyntClient(url, SECRET)


@pytest.mark.parametrize(
    "secret", ["", None, 7, b"x", "a b", "a\r\nb", "ä", "\ud800", "a" * 5000]
)
def test_bad_secrets_are_refused_and_not_shown(secret: Any) -> None:
    with pytest.raises(ValueError, match="agent_secret") as caught:
        RelyntClient("https://gateway.example", secret)
    if secret and isinstance(secret, str):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout_s": 0},
        {"timeout_s": -1},
        {"timeout_s": math.nan},
        {"timeout_s": math.inf},
        {"timeout_s": 1e9},
        {"timeout_s": "30"},
        {"timeout_s": True},
        {"timeout_s": None},
        {"max_retries": -1},
        {"max_retries": 101},
        {"max_retries": 1.5},
        {"max_retries": True},
        {"instance_id": ""},
        {"instance_id": "i" * 257},
        {"instance_id": 7},
        {"instance_id": "\ud800"},
    ],
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=name):
        RelyntClient("https://gateway.example", SECRET, **options)


def test_options_are_keywords_only() -> None:
    with pytest.raises(TypeError):
        RelyntClient("https://gateway.example", SECRET, 30.0)  # type: ignore[call-arg]


def test_defaults_are_the_documented_ones() -> None:
    client = RelyntClient(base_url="https://gateway.example", agent_secret=SECRET)
    assert (client.timeout_s, client.max_retries) == (30.0, 2)
    assert client.base_url == "https://gateway.example"
    assert client.agent_id is None and client.org_id is None
    integer = RelyntClient("https://gateway.example", SECRET, timeout_s=5, max_retries=0)
    assert (integer.timeout_s, integer.max_retries) == (5.0, 0)


def test_environment_gives_all_four_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELYNT_API_BASE_URL", "https://gateway.example/")
    monkeypatch.setenv("RELYNT_AGENT_SECRET", SECRET)
    monkeypatch.setenv("RELYNT_AGENT_ID", "agent-1")
    monkeypatch.setenv("RELYNT_ORG_ID", "org-1")
    client = RelyntClient.from_env(timeout_s=5, max_retries=1, instance_id="run")
    assert (client.base_url, client.agent_id, client.org_id) == (
        "https://gateway.example",
        "agent-1",
        "org-1",
    )
    assert (client.timeout_s, client.max_retries, client.instance_id) == (5.0, 1, "run")


@pytest.mark.parametrize("name", ["RELYNT_API_BASE_URL", "RELYNT_AGENT_SECRET"])
@pytest.mark.parametrize("value", [None, ""])
def test_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    monkeypatch.setenv("RELYNT_API_BASE_URL", "https://gateway.example")
    monkeypatch.setenv("RELYNT_AGENT_SECRET", SECRET)
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=name):
        RelyntClient.from_env()


def test_subclass_is_made_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(RelyntClient):
        pass

    monkeypatch.setenv("RELYNT_API_BASE_URL", "https://gateway.example")
    monkeypatch.setenv("RELYNT_AGENT_SECRET", SECRET)
    assert type(Mine.from_env()) is Mine


def test_plain_http_to_another_machine_warns_once() -> None:
    with pytest.warns(InsecureTransportWarning, match="http://gateway-once.example") as caught:
        RelyntClient("http://gateway-once.example", SECRET)
        RelyntClient("http://gateway-once.example/", SECRET)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "a.localhost"]
)
def test_plain_http_to_this_machine_does_not_warn(host: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RelyntClient(f"http://{host}:8080", SECRET)


def test_https_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RelyntClient("https://gateway.example", SECRET)


def test_closed_client_refuses_calls_and_closes_twice(
    fake: FakeGateway, caller: Caller
) -> None:
    client = connect(fake)
    with client as entered:
        assert entered is client
        caller.request(client)
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        caller.request(client)
    with pytest.raises(RuntimeError, match="closed"):
        caller.poll(client, APPROVAL)
    assert len(fake.requests) == 1


def test_closing_closes_the_idle_connections(fake: FakeGateway, caller: Caller) -> None:
    left = threading.Event()
    reply = fake.default

    def answer_and_watch(talk: Any) -> None:
        reply(talk)
        talk.keep = False
        if talk.wait_for_client_to_leave():
            left.set()

    fake.default = answer_and_watch
    client = connect(fake)
    caller.request(client)
    client.close()
    assert left.wait(10)


def test_client_cannot_be_pickled_or_copied() -> None:
    client = RelyntClient("https://gateway.example", SECRET)
    for copier in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="secret"):
            copier(client)


def test_client_has_no_room_for_surprises() -> None:
    client = RelyntClient("https://gateway.example", SECRET)
    with pytest.raises(AttributeError):
        client.timeout = 5  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        client.timeout_s = 5  # type: ignore[misc]


@pytest.mark.parametrize("approval_id", [None, ""])
def test_polling_without_an_id_is_refused(
    fake: FakeGateway, caller: Caller, approval_id: str | None
) -> None:
    with connect(fake) as client, pytest.raises(ValueError, match="approval_id"):
        caller.poll(client, approval_id)
    assert fake.connections == 0


@pytest.mark.parametrize("timeout_ms", [-1, 1.5, "1", None, True])
def test_polling_with_an_odd_time_is_refused(
    fake: FakeGateway, caller: Caller, timeout_ms: Any
) -> None:
    with connect(fake) as client, pytest.raises((ValueError, TypeError), match="timeout_ms"):
        caller.poll(client, APPROVAL, timeout_ms)
    assert fake.connections == 0


def test_importing_loads_no_http_ssl_or_asyncio(python: str) -> None:
    code = """
import sys
import relynt
network = {"ssl", "_ssl", "asyncio", "http", "http.client", "urllib.request", "socket"}
slow = {"dataclasses", "inspect", "json", "threading", "typing", "re", "datetime", "uuid", "enum"}
print(sorted((network | slow) & set(sys.modules)))
relynt.RelyntClient("https://gateway.example", "secret")
print(sorted(network & set(sys.modules)))
"""
    folders = [entry for entry in sys.path if entry]
    done = subprocess.run(
        [python, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PYTHONPATH": os.pathsep.join(folders)},
    )
    assert done.stdout == "[]\n[]\n", done.stderr


def test_public_names_are_all_there() -> None:
    import relynt

    for name in relynt.__all__:
        assert getattr(relynt, name) is not None
    assert set(relynt.__all__) <= set(dir(relynt))
    with pytest.raises(AttributeError):
        relynt.nothing
