"""Requests that nobody means well: each the documented error, in the documented form, and no receipt."""

from __future__ import annotations

import json

import pytest

import wire
from gateway import Gateway
from world import Agent, Organization, check_problem, fresh, rule, unknown_id

CALL = "/v1/agent-tool-call"
GOOD = b'{"action":"act","resource":"thing:1","instance_id":"i","payload":{"n":1}}'


@pytest.fixture
def agent(organization: Organization) -> Agent:
    organization.policy(rule("act", "allow"), rule("*", "deny"))
    return organization.agent()


def with_payload(payload: str) -> bytes:
    return f'{{"action":"act","resource":"thing:1","instance_id":"i","payload":{payload}}}'.encode()


def with_fields(**fields: object) -> bytes:
    """A good call with some fields changed; None takes one away."""
    value = json.loads(GOOD) | fields
    return json.dumps({key: item for key, item in value.items() if item is not None}, ensure_ascii=False).encode()


def nested(depth: int) -> bytes:
    """A body whose payload brings the nesting to `depth`, the body itself included."""
    return with_payload('{"a":' * (depth - 1) + "1" + "}" * (depth - 1))


# What fits into the 256 KiB of a body beside the rest of it.
ROOM = 256 * 1024 - len(with_payload('{"a":""}'))

BODIES: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 400, "bad_request"),
    ("not JSON", b"action=act", 400, "bad_request"),
    ("cut", GOOD[:-1], 400, "bad_request"),
    ("more behind it", GOOD + b"{}", 400, "bad_request"),
    ("an array", b"[]", 400, "bad_request"),
    ("null", b"null", 400, "bad_request"),
    ("a byte order mark", b"\xef\xbb\xbf" + GOOD, 400, "bad_request"),
    ("bad UTF-8", with_payload('{"a":"X"}').replace(b"X", b"\xff"), 400, "bad_request"),
    ("overlong UTF-8", with_payload('{"a":"X"}').replace(b"X", b"\xc0\xaf"), 400, "bad_request"),
    ("a surrogate in UTF-8", with_payload('{"a":"X"}').replace(b"X", b"\xed\xa0\x80"), 400, "bad_request"),
    ("a lone surrogate", with_payload('{"a":"\\ud800"}'), 400, "bad_request"),
    ("a lone surrogate in a key", with_payload('{"\\udc00":1}'), 400, "bad_request"),
    ("a duplicate key", b'{"action":"act","action":"other","resource":"r","instance_id":"i"}', 400, "bad_request"),
    ("a duplicate key deep inside", with_payload('{"a":[{"b":1,"b":2}]}'), 400, "bad_request"),
    ("a duplicate key in disguise", with_payload('{"a":1,"\\u0061":2}'), 400, "bad_request"),
    ("2^53", with_payload('{"n":9007199254740992}'), 400, "bad_request"),
    ("2^53+1", with_payload('{"n":9007199254740993}'), 400, "bad_request"),
    ("-(2^53+1)", with_payload('{"n":-9007199254740993}'), 400, "bad_request"),
    ("more digits than a double", with_payload('{"n":0.12345678901234567890}'), 400, "bad_request"),
    ("1e400", with_payload('{"n":1e400}'), 400, "bad_request"),
    ("1e-400", with_payload('{"n":1e-400}'), 400, "bad_request"),
    ("1e999999999", with_payload('{"n":1e999999999}'), 400, "bad_request"),
    ("NaN", with_payload('{"n":NaN}'), 400, "bad_request"),
    ("a leading zero", with_payload('{"n":01}'), 400, "bad_request"),
    ("a plus sign", with_payload('{"n":+1}'), 400, "bad_request"),
    ("a raw control character", with_payload('{"a":"X"}').replace(b"X", b"\x01"), 400, "bad_request"),
    ("nesting 65", nested(65), 400, "bad_request"),
    ("nesting 100000", b'{"action":"act","payload":' + b"[" * 100_000, 400, "bad_request"),
    ("a payload that is a list", with_payload("[1]"), 400, "bad_request"),
    ("a payload that is text", with_payload('"text"'), 400, "bad_request"),
    ("an unknown field", with_fields(extra=1), 400, "bad_request"),
    ("a field in other letters", with_fields(Action="act"), 400, "bad_request"),
    ("no action", with_fields(action=None), 400, "bad_request"),
    ("no resource", with_fields(resource=None), 400, "bad_request"),
    ("no instance_id", with_fields(instance_id=None), 400, "bad_request"),
    ("an empty action", with_fields(action=""), 400, "bad_request"),
    ("an action that is a number", with_fields(action=1), 400, "bad_request"),
    ("257 characters of action", with_fields(action="a" * 257), 400, "bad_request"),
    ("513 characters of resource", with_fields(resource="r" * 513), 400, "bad_request"),
    ("257 characters of instance_id", with_fields(instance_id="i" * 257), 400, "bad_request"),
    ("a line feed in the action", with_fields(action="act\nx"), 400, "bad_request"),
    ("a zero byte in the resource", with_fields(resource="thing\u0000"), 400, "bad_request"),
    ("DEL in the resource", with_fields(resource="thing\u007f"), 400, "bad_request"),
    ("C1 control in the resource", with_fields(resource="thing\u0085"), 400, "bad_request"),
    ("a zero-width joiner in the action", with_fields(action="ac\u200dt"), 400, "bad_request"),
    ("a right-to-left override in the resource", with_fields(resource="thing:\u202e1"), 400, "bad_request"),
    ("a line separator in the resource", with_fields(resource="thing:\u20281"), 400, "bad_request"),
    ("a resource that is not NFC", with_fields(resource="u\u0308ber"), 400, "bad_request"),
    ("300 KiB", with_payload('{"a":"' + "x" * 300 * 1024 + '"}'), 413, "payload_too_large"),
    (
        "one byte too many",
        with_payload('{"a":"' + "x" * (ROOM + 1) + '"}'),
        413,
        "payload_too_large",
    ),
]


def test_every_hostile_body_is_refused_as_documented_and_leaves_nothing(
    gateway: Gateway, organization: Organization, agent: Agent
) -> None:
    wrong: list[str] = []
    for name, data, status, code in BODIES:
        headers = [
            ("Authorization", f"Bearer {agent.secret}"),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", fresh("key")),
        ]
        answer = gateway.ask("POST", CALL, headers, data)
        if (answer.status, answer.media_type) != (status, "application/problem+json") or answer.json["code"] != code:
            wrong.append(f"{name}: {answer.status} {answer.body[:300]!r}")
    assert not wrong, "\n".join(wrong)
    assert organization.receipts(f"&agent_id={agent.id}") == []


FINE: list[tuple[str, bytes]] = [
    ("2^53-1", with_payload('{"n":9007199254740991}')),
    ("-(2^53-1)", with_payload('{"n":-9007199254740991}')),
    ("0.1", with_payload('{"n":0.1}')),
    ("1.50", with_payload('{"n":1.50}')),
    ("1e21", with_payload('{"n":1e21}')),
    ("-0", with_payload('{"n":-0}')),
    ("nesting 64", nested(64)),
    ("a surrogate pair", with_payload('{"a":"\\ud83d\\ude00"}')),
    ("an asterisk as it is", with_fields(resource="*")),
    ("256 characters of action, none of them ASCII", with_fields(action="ü" * 256)),
    ("exactly 256 KiB", with_payload('{"a":"' + "x" * ROOM + '"}')),
    ("white space around", b" \r\n\t" + GOOD + b"\n"),
]


def test_what_is_only_unusual_is_taken(gateway: Gateway, agent: Agent) -> None:
    for name, data in FINE:
        headers = [
            ("Authorization", f"Bearer {agent.secret}"),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", fresh("key")),
        ]
        answer = gateway.ask("POST", CALL, headers, data)
        assert answer.status == 200, f"{name}: {answer.body!r}"


HEADERS: list[tuple[str, list[tuple[str, str]], int, str]] = [
    ("no key", [("Idempotency-Key", "")], 400, "bad_request"),
    ("two keys", [("Idempotency-Key", "a"), ("Idempotency-Key", "b")], 400, "bad_request"),
    ("one key twice", [("Idempotency-Key", "a"), ("Idempotency-Key", "a")], 400, "bad_request"),
    ("a key of 256 characters", [("Idempotency-Key", "k" * 256)], 400, "bad_request"),
    ("a key with a space inside", [("Idempotency-Key", "a b")], 400, "bad_request"),
    ("a key that is not ASCII", [("Idempotency-Key", "schlüssel")], 400, "bad_request"),
    ("no content type", [("Content-Type", "")], 415, "unsupported_media_type"),
    ("a form", [("Content-Type", "application/x-www-form-urlencoded")], 415, "unsupported_media_type"),
    ("text", [("Content-Type", "text/plain")], 415, "unsupported_media_type"),
    ("a problem", [("Content-Type", "application/problem+json")], 415, "unsupported_media_type"),
    ("two content types", [("Content-Type", "application/json, text/plain")], 415, "unsupported_media_type"),
    ("gzip", [("Content-Encoding", "gzip")], 415, "unsupported_media_type"),
    ("no credential", [("Authorization", "")], 401, "unauthorized"),
    ("two credentials", [("Authorization", "Bearer a"), ("Authorization", "Bearer b")], 401, "unauthorized"),
    ("another scheme", [("Authorization", "Basic dXNlcjpwYXNz")], 401, "unauthorized"),
    ("a credential that is none", [("Authorization", "Bearer nonsense")], 401, "unauthorized"),
    ("an empty bearer", [("Authorization", "Bearer ")], 401, "unauthorized"),
]


def test_every_wrong_header_is_refused_as_documented(
    gateway: Gateway, organization: Organization, agent: Agent
) -> None:
    wrong: list[str] = []
    for name, changed, status, code in HEADERS:
        usual = {
            "Authorization": f"Bearer {agent.secret}",
            "Content-Type": "application/json",
            "Idempotency-Key": fresh("key"),
        }
        replaced = {key for key, _ in changed}
        headers = [(key, value) for key, value in usual.items() if key not in replaced]
        headers += [(key, value) for key, value in changed if value]
        answer = gateway.ask("POST", CALL, headers, GOOD)
        if (answer.status, answer.media_type) != (status, "application/problem+json") or answer.json["code"] != code:
            wrong.append(f"{name}: {answer.status} {answer.body[:300]!r}")
    assert not wrong, "\n".join(wrong)
    assert organization.receipts(f"&agent_id={agent.id}") == []


def test_a_credential_that_is_almost_right_is_401(organization: Organization, agent: Agent) -> None:
    other = organization.agent()
    secret = agent.secret
    mistyped = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    swapped = secret[:40] + ("A" if secret[40] != "A" else "B") + secret[41:]
    for bearer in (
        mistyped,
        swapped,
        secret[:-1],
        secret + "A",
        secret.upper(),
        f"{other.id}:{secret}",
        f"{unknown_id()}:{secret}",
        f"{agent.id}:",
        f":{secret}",
        f"{agent.id}:{agent.id}:{secret}",
    ):
        headers = [("Authorization", f"Bearer {bearer}")]
        answer = organization.gateway.ask("GET", "/v1/receipts", headers)
        check_problem(answer, 401, "unauthorized")
        assert secret not in answer.body.decode()
    headers = [("Authorization", f"Bearer {agent.id}:{secret}")]
    assert organization.gateway.ask("GET", "/v1/receipts", headers).status == 200


PATHS: list[tuple[str, str, int, str]] = [
    ("GET", "/v1/agent-tool-call", 405, "method_not_allowed"),
    ("DELETE", "/v1/receipts", 405, "method_not_allowed"),
    ("POST", "/openapi.json", 405, "method_not_allowed"),
    ("GET", "/v1/nothing", 404, "not_found"),
    ("GET", "/v1/receipts/", 404, "not_found"),
    ("GET", "/v1/receipts/not-an-id", 404, "not_found"),
    ("GET", "/v1/receipts/%2e%2e", 404, "not_found"),
    ("GET", "/v2/receipts", 404, "not_found"),
    ("GET", "/v1/freeze", 404, "not_found"),
    ("GET", "/v1/receipts?limit=0", 400, "bad_request"),
    ("GET", "/v1/receipts?limit=201", 400, "bad_request"),
    ("GET", "/v1/receipts?limit=x", 400, "bad_request"),
    ("GET", "/v1/receipts?limit=1&limit=1", 400, "bad_request"),
    ("GET", "/v1/receipts?unknown=1", 400, "bad_request"),
    ("GET", "/v1/receipts?decision=maybe", 400, "bad_request"),
    ("GET", "/v1/receipts?agent_id=x", 400, "bad_request"),
    ("GET", "/v1/receipts?from=yesterday", 400, "bad_request"),
    ("GET", "/v1/receipts?cursor=!", 400, "bad_request"),
    ("GET", "/v1/receipts?cursor=AAAA", 400, "bad_request"),
    ("GET", "/v1/receipts?search=%ff", 400, "bad_request"),
]


def test_wrong_paths_methods_and_queries_are_refused_as_documented(organization: Organization) -> None:
    wrong: list[str] = []
    for method, path, status, code in PATHS:
        answer = organization.owner.ask(method, path)
        if (answer.status, answer.media_type) != (status, "application/problem+json") or answer.json["code"] != code:
            wrong.append(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        if status == 405:
            assert answer.header("Allow"), (method, path)
    assert not wrong, "\n".join(wrong)


SMUGGLED = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
SHAPES: list[tuple[str, bytes]] = [
    ("both lengths", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two lengths", b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("a list of lengths", b"Content-Length: 5, 6\r\n\r\nhello"),
    ("a signed length", b"Content-Length: +5\r\n\r\nhello"),
    ("a length in hex", b"Content-Length: 0x5\r\n\r\nhello"),
    ("a length beyond all numbers", b"Content-Length: 99999999999999999999999\r\n\r\nhello"),
    ("a space before the colon", b"Content-Length : 5\r\n\r\nhello"),
    ("another coding", b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("chunked not last", b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("a bad chunk size", b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n"),
    ("a folded line", b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"),
    ("a zero byte in a header", b"X-A: b\x00c\r\nContent-Length: 0\r\n\r\n"),
    ("a bare carriage return in a header", b"X-A: b\rc\r\nContent-Length: 0\r\n\r\n"),
]


def test_no_shape_of_a_request_smuggles_a_second_one(gateway: Gateway, agent: Agent) -> None:
    """After a malformed frame nothing that follows on the connection is taken for a request."""
    wrong: list[str] = []
    for name, rest in SHAPES:
        head = (
            f"POST {CALL} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {agent.secret}\r\n"
            f"Content-Type: application/json\r\nIdempotency-Key: {fresh('key')}\r\n"
        ).encode()
        with wire.Connection(gateway.address) as connection:
            connection.send(head + rest + SMUGGLED)
            answers: list[wire.Answer] = []
            try:
                while len(answers) < 2:
                    answers.append(connection.answer())
            except wire.Cut:
                pass
        if any(answer.status < 400 for answer in answers) or len(answers) > 1:
            wrong.append(f"{name}: {[answer.status for answer in answers]}")
    assert not wrong, "\n".join(wrong)
    assert gateway.ask("GET", "/healthz").status == 200


def test_a_request_id_is_taken_over_only_if_it_is_sane(gateway: Gateway) -> None:
    for given, kept in [("abc.DEF_1-2", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("a\tb", False)]:
        answer = gateway.ask("GET", "/healthz", [("X-Request-Id", given)])
        assert (answer.header("X-Request-Id") == given) == kept, given
        answer = gateway.ask("GET", "/v1/receipts", [("X-Request-Id", given)])
        assert (answer.json["request_id"] == given) == kept, given


def test_a_slow_head_is_cut_off_and_does_not_hold_others_up(gateway: Gateway) -> None:
    with wire.Connection(gateway.address) as slow:
        slow.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert gateway.ask("GET", "/healthz").status == 200
        assert slow.closed_by_peer()
