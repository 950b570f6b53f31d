"""Every way in which a call can fail."""

from __future__ import annotations

import json
import pickle
import socket
import threading
import time

import pytest
from conftest import Authority, Caller, connect
from fake_gateway import (
    APPROVAL,
    FINAL_RECEIPT,
    RECEIPT,
    FakeGateway,
    Reply,
    answer,
    approval,
    close_when_idle,
    cut,
    decision,
    decision_body,
    encode,
    hang,
    problem,
)
from relynt import (
    ApprovalTimeoutError,
    AuthenticationError,
    NetworkError,
    RelyntClient,
    RelyntError,
    RequestError,
)

WHOLE = encode(200, decision_body())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (409, "conflict"),
        (413, "payload_too_large"),
        (415, "unsupported_media_type"),
        (422, "policy_error"),
        (423, "frozen"),
        (501, "not_implemented"),
        (502, "connector_error"),
    ],
)
def test_refusals_are_raised_at_once_with_their_fields(
    fake: FakeGateway, caller: Caller, status: int, code: str
) -> None:
    fake.say(problem(status, code, receipt_id=RECEIPT, extra={"a": 1}))
    with connect(fake) as client, pytest.raises(RequestError) as caught:
        caller.request(client)
    error = caught.value
    assert (error.status_code, error.code) == (status, code)
    assert error.detail == f"detail of {code}"
    assert (error.request_id, error.receipt_id) == ("request-1", RECEIPT)
    assert error.body is not None and error.body["extra"] == {"a": 1}
    assert str(error) == f"{status} {code}: detail of {code}"
    assert len(fake.requests) == 1


@pytest.mark.parametrize(("status", "code"), [(401, "unauthorized"), (403, "forbidden")])
def test_bad_credentials_are_their_own_error(
    fake: FakeGateway, caller: Caller, status: int, code: str
) -> None:
    fake.say(problem(status, code), problem(status, code))
    with connect(fake) as client:
        for call in (lambda: caller.request(client), lambda: caller.poll(client, APPROVAL)):
            with pytest.raises(AuthenticationError) as caught:
                call()
            assert (caught.value.status_code, caught.value.code) == (status, code)
            assert not isinstance(caught.value, RequestError)
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("status", "code", "headers"),
    [
        (408, "request_timeout", {}),
        (409, "request_in_progress", {"Retry-After": "0"}),
        (429, "rate_limited", {"Retry-After": "1"}),
        (500, "internal_error", {}),
        (502, "bad_gateway", {}),
        (503, "unavailable", {"Retry-After": "0"}),
        (504, "gateway_timeout", {}),
        (503, "unavailable", {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    ],
)
def test_hiccups_are_retried_with_the_same_key(
    fake: FakeGateway, caller: Caller, status: int, code: str, headers: dict[str, str]
) -> None:
    fake.say(problem(status, code, headers=headers))
    start = time.monotonic()
    with connect(fake) as client:
        assert caller.request(client).decision == "allow"
    assert len(fake.requests) == 2
    assert len(set(fake.keys())) == 1
    assert fake.requests[0].body == fake.requests[1].body
    assert time.monotonic() - start >= float(headers.get("Retry-After") == "1")


@pytest.mark.parametrize("retries", [0, 1])
def test_hiccup_that_lasts_is_raised_as_it_is(
    fake: FakeGateway, caller: Caller, retries: int
) -> None:
    fake.default = problem(503, "unavailable")
    with connect(fake, max_retries=retries) as client:
        with pytest.raises(RequestError) as caught:
            caller.request(client)
    assert (caught.value.status_code, caught.value.code) == (503, "unavailable")
    assert len(fake.requests) == retries + 1
    assert len(set(fake.keys())) == 1


@pytest.mark.parametrize("wait", ["17", "3600", "99999999999999999999999"])
def test_long_retry_after_ends_the_call_at_once(
    fake: FakeGateway, caller: Caller, wait: str
) -> None:
    fake.default = problem(429, "rate_limited", headers={"Retry-After": wait})
    start = time.monotonic()
    with connect(fake) as client, pytest.raises(RequestError) as caught:
        caller.request(client)
    assert caught.value.status_code == 429
    assert len(fake.requests) == 1
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("status", [400, 401, 418, 500])
@pytest.mark.parametrize("raw", [b"", b"<html>no</html>", b"[1]", b'"text"', b"\xff"])
def test_refusal_without_problem_details_is_still_clear(
    fake: FakeGateway, caller: Caller, status: int, raw: bytes
) -> None:
    headers = {"X-Request-Id": "abc"}
    fake.default = answer(status, raw=raw, headers=headers, content_type="text/html")
    with connect(fake, max_retries=0) as client:
        with pytest.raises((RequestError, AuthenticationError)) as caught:
            caller.request(client)
    error = caught.value
    assert isinstance(error, (RequestError, AuthenticationError))
    assert (error.status_code, error.code) == (status, f"http_{status}")
    assert (error.detail, error.body, error.request_id) == (None, None, "abc")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(fake: FakeGateway, caller: Caller, status: int) -> None:
    with FakeGateway() as elsewhere:
        fake.say(answer(status, raw=b"", headers={"Location": elsewhere.url + "/v1"}))
        with connect(fake) as client, pytest.raises(RequestError) as caught:
            caller.request(client)
        assert caught.value.status_code == status
        assert elsewhere.connections == 0
    assert len(fake.requests) == 1


def test_connector_error_carries_receipt_and_execution(
    fake: FakeGateway, caller: Caller
) -> None:
    execution = {"execution_id": "e", "status": "unknown"}
    fake.say(problem(502, "connector_error", receipt_id=RECEIPT, execution=execution))
    with connect(fake) as client, pytest.raises(RequestError) as caught:
        caller.request(client)
    assert caught.value.receipt_id == RECEIPT
    assert caught.value.body is not None
    assert caught.value.body["execution"] == execution
    assert len(fake.requests) == 1


BROKEN: list[tuple[str, Reply]] = [
    ("after the request", cut()),
    ("with a reset", cut(reset=True)),
    ("in the head", cut(WHOLE[:20])),
    ("in a header", cut(WHOLE[:50])),
    ("in the body", cut(WHOLE[:-5])),
    ("in a reset body", cut(WHOLE[:-5], reset=True)),
    ("in a chunk", cut(encode(200, decision_body(), chunked=True)[:-30])),
    ("before the last chunk", cut(encode(200, decision_body(), chunked=True)[:-5])),
    ("with garbage", cut(b"SSH-2.0-OpenSSH_9.2\r\n")),
    (
        "with two lengths",
        cut(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    ),
    ("as 101", cut(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")),
]


@pytest.mark.parametrize(("place", "reply"), BROKEN, ids=[place for place, _ in BROKEN])
def test_broken_connection_is_retried_with_the_same_key(
    fake: FakeGateway, caller: Caller, place: str, reply: Reply
) -> None:
    fake.say(reply)
    with connect(fake) as client:
        assert caller.request(client).decision == "allow"
    assert len(fake.requests) == 2
    assert len(set(fake.keys())) == 1


@pytest.mark.parametrize(("place", "reply"), BROKEN, ids=[place for place, _ in BROKEN])
def test_connection_that_keeps_breaking_is_a_network_error(
    fake: FakeGateway, caller: Caller, place: str, reply: Reply
) -> None:
    fake.default = reply
    with connect(fake, max_retries=0) as client, pytest.raises(NetworkError) as caught:
        caller.request(client, "a", "r", None, idempotency_key="by-hand")
    assert caught.value.idempotency_key == "by-hand"
    assert len(fake.requests) == 1


def test_network_error_carries_the_generated_key(fake: FakeGateway, caller: Caller) -> None:
    fake.default = cut()
    with connect(fake, max_retries=1) as client, pytest.raises(NetworkError) as caught:
        caller.request(client)
    assert fake.keys() == [caught.value.idempotency_key] * 2


def test_connection_closed_before_the_request_is_retried(
    fake: FakeGateway, caller: Caller
) -> None:
    fake.cut_connections = 1
    with connect(fake) as client:
        assert caller.request(client).decision == "allow"
    assert len(fake.requests) == 1


def test_stale_connection_is_replaced_without_using_up_a_retry(
    fake: FakeGateway, caller: Caller
) -> None:
    with connect(fake, max_retries=0) as client:
        for _ in range(3):
            fake.say(close_when_idle(decision()))
            assert caller.request(client).decision == "allow"
    assert len(fake.requests) == 3


def test_unread_error_answer_is_not_lost(caller: Caller) -> None:
    # A server that refuses a large body answers before it has read it.
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(encode(413, {"code": "payload_too_large"}, close=True))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    threading.Thread(target=serve, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with listener, RelyntClient(url, "secret", max_retries=0) as client:
        with pytest.raises(RequestError) as caught:
            caller.request(client, "a", "r", {"text": "x" * 1_000_000})
    assert caught.value.code == "payload_too_large"


def test_unreachable_gateway_is_a_network_error(caller: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with RelyntClient(f"http://127.0.0.1:{port}", "secret", max_retries=1) as client:
        with pytest.raises(NetworkError) as caught:
            caller.request(client)
    assert f"127.0.0.1:{port}" in str(caught.value)


def test_unknown_host_is_a_network_error(caller: Caller) -> None:
    with RelyntClient("https://does-not-exist.invalid", "secret", max_retries=0) as client:
        with pytest.raises(NetworkError, match=r"does-not-exist\.invalid"):
            caller.request(client)


@pytest.mark.parametrize("part", [b"", WHOLE[:20], WHOLE[:-1]])
def test_slow_answer_ends_with_the_attempt(
    fake: FakeGateway, caller: Caller, part: bytes
) -> None:
    left = threading.Event()
    fake.default = hang(part, left)
    start = time.monotonic()
    # Long enough for the request to arrive on a machine that is busy with other things.
    with connect(fake, timeout_s=1.0, max_retries=0) as client:
        with pytest.raises(NetworkError) as caught:
            caller.request(client)
    assert 0.95 < time.monotonic() - start < 10
    assert caught.value.idempotency_key == fake.keys()[0]
    assert left.wait(10)


def test_server_that_drips_is_cut_off(fake: FakeGateway, caller: Caller) -> None:
    stop = threading.Event()

    def drip(talk: object) -> None:
        from fake_gateway import Talk

        assert isinstance(talk, Talk)
        talk.keep = False
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while not stop.wait(0.02):
                talk.send(b" ")
        except OSError:
            stop.set()

    fake.default = drip
    start = time.monotonic()
    with connect(fake, timeout_s=0.5, max_retries=0) as client:
        with pytest.raises(NetworkError):
            caller.request(client)
    assert time.monotonic() - start < 5
    assert stop.wait(10)


def test_timed_out_attempts_are_retried_within_the_bound(
    fake: FakeGateway, caller: Caller
) -> None:
    fake.default = hang()
    start = time.monotonic()
    with connect(fake, timeout_s=1.0, max_retries=2) as client:
        with pytest.raises(NetworkError):
            caller.request(client)
    assert time.monotonic() - start <= 1.0 * 3 + 16
    assert len(fake.requests) == 3
    assert len(set(fake.keys())) == 1


def test_answer_without_end_is_refused(fake: FakeGateway, caller: Caller) -> None:
    fake.default = cut(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    with connect(fake) as client, pytest.raises(NetworkError, match="larger"):
        caller.request(client)
    assert len(fake.requests) == 1


@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_approval_whose_execution_did_not_succeed_is_an_error(
    fake: FakeGateway, caller: Caller, status: str
) -> None:
    fake.say(
        approval(execution={"execution_id": "e", "status": status}, performed_by="gateway")
    )
    with connect(fake) as client, pytest.raises(RequestError) as caught:
        caller.poll(client, APPROVAL)
    error = caught.value
    assert (error.status_code, error.code) == (502, "connector_error")
    assert error.receipt_id == FINAL_RECEIPT
    assert error.body is not None
    assert (error.body["status"], error.body["approval_id"]) == ("approved", APPROVAL)


def test_untrusted_certificate_is_refused_without_retry(
    caller: Caller, authority: Authority
) -> None:
    with FakeGateway(tls=authority.server()) as fake, connect(fake) as client:
        with pytest.raises(NetworkError, match="TLS"):
            caller.request(client)
        assert fake.connections == 1
        assert fake.requests == []


@pytest.mark.parametrize(
    "error",
    [
        RequestError("m", status_code=409, code="conflict", detail="d", body={"a": 1}),
        AuthenticationError("m", status_code=401, code="unauthorized", request_id="r"),
        NetworkError("m", idempotency_key="k"),
        ApprovalTimeoutError("m", approval_id="a"),
        RelyntError("m"),
    ],
)
def test_errors_are_picklable_and_keep_their_fields(error: RelyntError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.args, again.__dict__) == (str(error), error.args, error.__dict__)
    assert isinstance(again, RelyntError)


def test_problem_members_of_the_wrong_type_are_ignored(
    fake: FakeGateway, caller: Caller
) -> None:
    body = {"code": 7, "detail": ["x"], "request_id": None, "title": "a title"}
    fake.say(answer(400, raw=json.dumps(body).encode()))
    with connect(fake) as client, pytest.raises(RequestError) as caught:
        caller.request(client)
    assert (caught.value.code, caught.value.detail) == ("http_400", "a title")
