"""Waiting for a person."""

from __future__ import annotations

import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import Caller, connect
from fake_gateway import (
    APPROVAL,
    FakeGateway,
    Reply,
    after,
    answer,
    approval,
    cut,
    hang,
    problem,
)
from relynt import (
    ApprovalTimeoutError,
    NetworkError,
    RequestError,
)

PENDING = approval("pending")


def test_looks_are_long_polls_of_at_most_25_seconds(fake: FakeGateway, caller: Caller) -> None:
    fake.say(PENDING, approval())
    with connect(fake) as client:
        assert caller.poll(client, APPROVAL).status == "approved"
    for request in fake.requests:
        address = urlsplit(request.path)
        assert (request.method, address.path) == ("GET", f"/v1/approvals/{APPROVAL}")
        assert parse_qs(address.query) == {"wait_ms": ["25000"]}
        assert "idempotency-key" not in request.headers


def test_wait_is_never_longer_than_the_deadline(fake: FakeGateway, caller: Caller) -> None:
    fake.say(approval())
    with connect(fake) as client:
        caller.poll(client, approval_id=APPROVAL, timeout_ms=3_000)
    (wait,) = parse_qs(urlsplit(fake.requests[0].path).query)["wait_ms"]
    assert 2_000 < int(wait) <= 3_000


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("approved", "approved"),
        ("denied", "denied"),
        ("expired", "expired"),
        ("cancelled", "denied"),
        ("something_new", "something_new"),
    ],
)
def test_final_states_are_reported(
    fake: FakeGateway, caller: Caller, said: str, status: str
) -> None:
    fake.say(approval(said, blocked_by="policy" if said == "cancelled" else None))
    with connect(fake) as client:
        result = caller.poll(client, APPROVAL)
    assert result.status == status
    assert result.blocked_by == ("policy" if said == "cancelled" else None)
    assert (result.decided_by is None) == (said not in ("approved", "denied"))


def test_decision_is_seen_within_250_ms(fake: FakeGateway, caller: Caller) -> None:
    decided = threading.Event()
    fake.say(after(decided, approval()))
    instant = 0.0

    def decide() -> None:
        nonlocal instant
        fake.wait_for_requests(1)
        instant = time.monotonic()
        decided.set()

    thread = threading.Thread(target=decide)
    thread.start()
    with connect(fake) as client:
        caller.poll(client, APPROVAL)
    assert time.monotonic() - instant < 0.25
    thread.join()


def test_running_execution_is_waited_for(fake: FakeGateway, caller: Caller) -> None:
    done = {"execution_id": "e", "status": "succeeded"}
    fake.say(
        approval(execution={"execution_id": "e", "status": "pending"}, performed_by="gateway"),
        approval(execution=done, performed_by="gateway", tool_response={"ok": 1}),
    )
    with connect(fake) as client:
        result = caller.poll(client, APPROVAL)
    assert (result.execution, result.tool_response) == (done, {"ok": 1})
    assert len(fake.requests) == 2


def test_long_poll_is_not_cut_by_the_timeout_of_a_request(
    fake: FakeGateway, caller: Caller
) -> None:
    decided = threading.Event()
    fake.say(after(decided, approval()))
    timer = threading.Timer(1.0, decided.set)
    timer.start()
    with connect(fake, timeout_s=0.2) as client:
        assert caller.poll(client, APPROVAL).status == "approved"
    assert len(fake.requests) == 1
    timer.join()


@pytest.mark.parametrize("default", [PENDING, hang()], ids=["pending", "silent"])
def test_deadline_is_an_error_with_the_id(
    fake: FakeGateway, caller: Caller, default: Reply
) -> None:
    fake.default = default
    start = time.monotonic()
    with connect(fake) as client, pytest.raises(ApprovalTimeoutError) as caught:
        caller.poll(client, APPROVAL, 600)
    assert 0.55 <= time.monotonic() - start < 3
    assert caught.value.approval_id == APPROVAL
    assert len(fake.requests) <= 6


def test_zero_timeout_is_one_look(fake: FakeGateway, caller: Caller) -> None:
    fake.say(PENDING, approval(), problem(503, "unavailable"))
    with connect(fake) as client:
        with pytest.raises(ApprovalTimeoutError):
            caller.poll(client, APPROVAL, 0)
        assert caller.poll(client, APPROVAL, 0).status == "approved"
        with pytest.raises(RequestError):
            caller.poll(client, APPROVAL, 0)
        fake.default = cut()
        with pytest.raises(NetworkError):
            caller.poll(client, APPROVAL, 0)
    assert fake.requests[0].path == f"/v1/approvals/{APPROVAL}"


def test_trouble_is_ridden_out(fake: FakeGateway, caller: Caller) -> None:
    fake.say(
        problem(503, "unavailable"),
        cut(),
        problem(429, "rate_limited", headers={"Retry-After": "0"}),
        cut(b"HTTP/1.1 200"),
        problem(500, "internal_error"),
        approval(),
    )
    with connect(fake, max_retries=0) as client:
        assert caller.poll(client, APPROVAL, 60_000).status == "approved"
    assert len(fake.requests) == 6


def test_trouble_until_the_deadline_is_the_cause_of_the_error(
    fake: FakeGateway, caller: Caller
) -> None:
    fake.default = problem(503, "unavailable")
    with connect(fake) as client, pytest.raises(ApprovalTimeoutError) as caught:
        caller.poll(client, APPROVAL, 300)
    assert isinstance(caught.value.__cause__, RequestError)
    assert caught.value.__cause__.status_code == 503
    fake.default = cut()
    with connect(fake) as client, pytest.raises(ApprovalTimeoutError) as caught:
        caller.poll(client, APPROVAL, 300)
    assert isinstance(caught.value.__cause__, NetworkError)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "bad_request"), (404, "not_found"), (410, "gone")]
)
def test_what_will_not_change_is_raised_at_once(
    fake: FakeGateway, caller: Caller, status: int, code: str
) -> None:
    fake.default = problem(status, code)
    with connect(fake) as client, pytest.raises(RequestError) as caught:
        caller.poll(client, APPROVAL)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert len(fake.requests) == 1


@pytest.mark.parametrize("raw", [b"{}", b"[]", b"", b'{"status":7}', b'{"status":""}'])
def test_200_that_is_not_an_approval_is_an_error(
    fake: FakeGateway, caller: Caller, raw: bytes
) -> None:
    fake.default = answer(200, raw=raw)
    with connect(fake) as client, pytest.raises(RequestError) as caught:
        caller.poll(client, APPROVAL)
    assert caught.value.code == "invalid_answer"


def test_id_cannot_leave_its_path(fake: FakeGateway, caller: Caller) -> None:
    fake.default = problem(404, "not_found")
    with connect(fake) as client:
        for odd in ("../receipts", "a/b?c#d", "..", "a\r\nX: y", "ä"):
            with pytest.raises(RequestError):
                caller.poll(client, odd)
    for request in fake.requests:
        assert request.path.removeprefix("/v1/approvals/").count("/") == 0
        assert ".." not in request.path and "x" not in request.headers
