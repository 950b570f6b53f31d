"""What a call sends, and what it returns."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import uuid

import pytest
from conftest import SECRET, Caller, connect
from fake_gateway import (
    APPROVAL,
    FINAL_RECEIPT,
    RECEIPT,
    FakeGateway,
    answer,
    approval,
    decision,
    decision_body,
)
from relynt import ActionResult, ApprovalResult, RequestError


def test_request_is_what_the_gateway_documents(fake: FakeGateway, caller: Caller) -> None:
    with connect(fake, instance_id="run-7") as client:
        payload = {"amount": 52000, "previous_amount": 50000}
        caller.request(client, "update_deal", "crm:deal:123", payload, idempotency_key="k-1")
    (request,) = fake.requests
    assert (request.method, request.path) == ("POST", "/v1/agent-tool-call")
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "k-1"
    assert "content-encoding" not in request.headers
    assert request.json() == {
        "action": "update_deal",
        "resource": "crm:deal:123",
        "instance_id": "run-7",
        "payload": payload,
    }


def test_base_url_may_have_a_path_and_a_slash(fake: FakeGateway, caller: Caller) -> None:
    from relynt import RelyntClient

    client = RelyntClient(fake.url + "/relynt/", SECRET)
    assert client.base_url == fake.url + "/relynt"
    caller.request(client)
    assert fake.requests[0].path == "/relynt/v1/agent-tool-call"


def test_keys_and_instance_ids_are_fresh_version_7_uuids(
    fake: FakeGateway, caller: Caller
) -> None:
    with connect(fake) as client, connect(fake) as other:
        for each in (client, client, other):
            caller.request(each)
    keys = [uuid.UUID(key) for key in fake.keys()]
    assert len(set(keys)) == 3 and all(key.version == 7 for key in keys)
    times = [key.int >> 80 for key in keys]
    assert times == sorted(times)
    first, second, third = [request.json()["instance_id"] for request in fake.requests]
    assert first == second == client.instance_id != third == other.instance_id
    assert uuid.UUID(first).version == 7


def test_instance_id_of_a_call_wins(fake: FakeGateway, caller: Caller) -> None:
    with connect(fake, instance_id="client") as client:
        caller.request(client, "a", "r", None, instance_id="call")
    assert fake.requests[0].json()["instance_id"] == "call"


def test_every_field_of_an_action_arrives(fake: FakeGateway, caller: Caller) -> None:
    execution = {"execution_id": "e-1", "status": "succeeded", "http_status": 200}
    body = decision_body(
        tool_response={"id": 123, "name": "Über"},
        performed_by="gateway",
        valid_until=None,
        execution=execution,
        something_new=[1, 2],
    )
    fake.say(answer(200, body, headers={"Idempotency-Replayed": "true"}))
    with connect(fake) as client:
        result = caller.request(client)
    assert result == ActionResult(
        decision="allow",
        receipt_id=RECEIPT,
        approval_id=None,
        tool_response={"id": 123, "name": "Über"},
        reason="rule `1` says so",
        risk_level="low",
        policy_version="v3",
        performed_by="gateway",
        valid_until=None,
        execution=execution,
        replayed=True,
    )


def test_every_field_of_an_approval_arrives(fake: FakeGateway, caller: Caller) -> None:
    fake.say(approval(note="fine", tool_response={"ok": True}, later="x"))
    with connect(fake) as client:
        result = caller.poll(client, APPROVAL)
    assert result == ApprovalResult(
        status="approved",
        decided_by="slack:U12345",
        decided_at="2026-11-23T15:01:00.000Z",
        approval_id=APPROVAL,
        revision=1,
        note="fine",
        receipt_id=FINAL_RECEIPT,
        performed_by="agent",
        valid_until="2999-01-01T00:00:00.000Z",
        blocked_by=None,
        execution=None,
        tool_response={"ok": True},
    )


@pytest.mark.parametrize("kind", ["allow", "deny", "pending_approval", "maybe", "ALLOW"])
def test_decision_is_passed_through_as_text(
    fake: FakeGateway, caller: Caller, kind: str
) -> None:
    fake.say(decision(kind))
    with connect(fake) as client:
        result = caller.request(client)
    assert result.decision == kind
    assert (result.approval_id is not None) == (kind == "pending_approval")


def test_missing_and_odd_optional_fields_are_none(fake: FakeGateway, caller: Caller) -> None:
    fake.say(
        answer(
            200, {"decision": "deny", "receipt_id": RECEIPT, "reason": 7, "tool_response": []}
        )
    )
    with connect(fake) as client:
        assert caller.request(client) == ActionResult("deny", RECEIPT)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>",
        b"\xff\xfe",
        b'{"decision":"allow"}',
        b'{"receipt_id":"x"}',
        b'{"decision":true,"receipt_id":"x"}',
        b'{"decision":"","receipt_id":"x"}',
        b'{"decision":"allow","receipt_id":null}',
        b"[" * 100_000,
    ],
)
def test_200_that_is_not_a_decision_is_an_error(
    fake: FakeGateway, caller: Caller, raw: bytes
) -> None:
    fake.say(answer(200, raw=raw, headers={"X-Request-Id": "r-9"}))
    with connect(fake) as client, pytest.raises(RequestError) as caught:
        caller.request(client)
    assert (caught.value.status_code, caught.value.code) == (200, "invalid_answer")
    assert caught.value.request_id == "r-9"
    assert len(fake.requests) == 1


def test_chunked_answers_are_read(fake: FakeGateway, caller: Caller) -> None:
    large = {"text": "ä" * 100_000}
    fake.say(answer(200, decision_body(tool_response=large), chunked=True))
    with connect(fake) as client:
        assert caller.request(client).tool_response == large


def test_results_are_frozen_comparable_printable_and_picklable() -> None:
    result = ActionResult("allow", RECEIPT, tool_response={"a": [1]})
    approved = ApprovalResult("approved", approval_id=APPROVAL)
    for value, name in ((result, "decision"), (approved, "status")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, "other")
        assert not hasattr(value, "__dict__")
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(value, protocol)) == value
        assert copy.deepcopy(value) == value
        assert type(value).__name__ in repr(value)
        assert value.to_dict() == dataclasses.asdict(value)
        assert type(value)(**value.to_dict()) == value
    assert result != ActionResult("deny", RECEIPT)
    assert isinstance(result.tool_response, dict)
    result.to_dict()["tool_response"]["a"].append(2)
    assert result.tool_response == {"a": [1]}


def test_connection_is_kept_between_calls(fake: FakeGateway, caller: Caller) -> None:
    with connect(fake) as client:
        for _ in range(5):
            caller.request(client)
    assert fake.connections == 1


def test_connection_is_not_kept_when_the_server_closes(
    fake: FakeGateway, caller: Caller
) -> None:
    fake.say(answer(200, decision_body(), close=True))
    with connect(fake) as client:
        caller.request(client)
        caller.request(client)
    assert fake.connections == 2
