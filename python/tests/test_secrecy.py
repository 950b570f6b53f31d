"""The agent secret is nowhere to be seen."""

from __future__ import annotations

import base64
import gc
import io
import logging
import traceback
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from conftest import SECRET, Caller, connect
from fake_gateway import (
    APPROVAL,
    FakeGateway,
    answer,
    cut,
    decision_body,
    problem,
)
from relynt import RelyntClient

CANARY = SECRET[:40] + "/+" + SECRET[40:]
FORMS = [
    CANARY,
    CANARY[4:],
    base64.b64encode(CANARY.encode()).decode(),
    base64.urlsafe_b64encode(CANARY.encode()).decode(),
    CANARY.encode().hex(),
    urllib.parse.quote(CANARY, safe=""),
]


def assert_absent(*texts: str) -> None:
    for text in texts:
        for form in FORMS:
            assert form not in text


def everything_about(error: BaseException, *, locals_too: bool) -> str:
    """Message, repr, fields and traceback, with the variables of the package's own frames."""
    parts = [str(error), repr(error), repr(error.args), repr(error.__dict__)]
    chain = traceback.TracebackException.from_exception(error, capture_locals=locals_too)
    seen: Any = chain
    while seen is not None:
        for frame in seen.stack:
            if "/relynt/" in frame.filename:
                parts.append(repr(frame.locals))
        seen = seen.__cause__ or seen.__context__
    parts.extend(traceback.format_exception(type(error), error, error.__traceback__))
    return "\n".join(parts)


@pytest.fixture(autouse=True)
def log() -> Any:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(1)
    yield
    root.setLevel(level)
    root.removeHandler(handler)
    assert_absent(stream.getvalue())


ECHO = {"code": "bad_request", "detail": f"you sent Bearer {CANARY}", "echo": CANARY}


@pytest.mark.parametrize(
    "reply",
    [
        answer(400, ECHO),
        answer(401, ECHO, headers={"X-Request-Id": CANARY}),
        answer(200, ECHO, headers={"X-Request-Id": CANARY}),
        answer(302, raw=CANARY.encode(), headers={"Location": CANARY}),
        answer(400, raw=f"<p>{CANARY}".encode()),
        cut(CANARY.encode() + b"\r\n\r\n"),
        problem(422, CANARY),
    ],
)
def test_echoing_server_does_not_get_it_into_an_error(
    fake: FakeGateway, caller: Caller, reply: Callable[[Any], None]
) -> None:
    fake.default = reply
    client = RelyntClient(fake.url, CANARY, max_retries=0)
    for call in (
        lambda: caller.request(client),
        lambda: caller.poll(client, APPROVAL, 0),
    ):
        with pytest.raises(Exception) as caught:
            call()
        assert_absent(everything_about(caught.value, locals_too=True))


def test_echoing_server_does_not_get_it_into_a_result(
    fake: FakeGateway, caller: Caller
) -> None:
    fake.say(answer(200, decision_body(reason=CANARY, tool_response={"headers": [CANARY]})))
    result = caller.request(RelyntClient(fake.url, CANARY))
    assert_absent(repr(result), str(result.to_dict()))
    assert result.tool_response == {"headers": ["********"]}


def test_client_does_not_show_it(fake: FakeGateway) -> None:
    client = connect(fake)
    client = RelyntClient(fake.url, CANARY)
    texts = [repr(client), str(client), f"{client}", repr(dir(client)), repr(client._core)]
    for name in dir(client):
        texts.append(repr(getattr(client, name)))
    for name in dir(client._core):
        texts.append(repr(getattr(client._core, name)))
    assert_absent(*texts)


@pytest.mark.parametrize(
    "options",
    [{"timeout_s": 0}, {"max_retries": -1}, {"instance_id": ""}, {"base_url": "nonsense"}],
)
def test_failed_construction_does_not_show_it(options: dict[str, Any]) -> None:
    arguments = {"base_url": "https://gateway.example", "agent_secret": CANARY, **options}
    with pytest.raises(ValueError) as caught:
        RelyntClient(**arguments)
    assert_absent(everything_about(caught.value, locals_too=True))


@pytest.mark.parametrize("tail", [" ", "\n", "\x00", "ä", "\ud800"])
def test_malformed_secret_is_not_shown(tail: str) -> None:
    with pytest.raises(ValueError) as caught:
        RelyntClient("https://gateway.example", CANARY + tail)
    assert_absent(everything_about(caught.value, locals_too=True))


def test_proxy_password_is_not_shown(monkeypatch: pytest.MonkeyPatch, caller: Caller) -> None:
    for url in (f"socks5://user:{CANARY}@p", f"http://user:{CANARY}@127.0.0.1:1"):
        monkeypatch.setenv("HTTPS_PROXY", url)
        with pytest.raises(Exception) as caught:
            client = RelyntClient("https://gateway.example", "secret", max_retries=0)
            caller.request(client)
        assert_absent(everything_about(caught.value, locals_too=True))


def test_python_keeps_no_copy(fake: FakeGateway, caller: Caller) -> None:
    def build() -> RelyntClient:
        return RelyntClient(fake.url, "rly_" + "-".join(["canary"] * 5))

    client = build()
    caller.request(client)
    gc.collect()
    needle = "-".join(["canary"] * 5)
    holders = [
        value
        for value in gc.get_objects()
        if isinstance(value, (list, tuple)) and any(v == "rly_" + needle for v in value)
    ]
    assert holders == []
