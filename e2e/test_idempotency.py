"""One key, one execution, one answer."""

from __future__ import annotations

import pytest

from gateway import Gateway
from load import at_once, tool_call
from target import Target
from wire import Answer
from world import Agent, Organization, check_problem, fresh, rule

CALL = {"action": "act", "resource": "thing:1", "instance_id": "run-1", "payload": {"n": 1}}


@pytest.fixture
def agent(organization: Organization) -> Agent:
    organization.policy(rule("act*", "allow"), rule("ask*", "require_approval"), rule("*", "deny"))
    return organization.agent()


def replayed(answer: Answer, first: Answer) -> None:
    """The answer is the first one again, byte for byte, and says so."""
    assert (answer.status, answer.body) == (first.status, first.body)
    assert answer.media_type == first.media_type
    assert answer.header("Idempotency-Replayed") == "true"


def test_200_concurrent_calls_with_one_key_give_one_execution_and_200_identical_answers(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/held/echo"), action="act")
    key = fresh("key")

    def all_sent() -> None:
        target.wait_for(1)
        target.release()

    answers = at_once(gateway.address, [tool_call(agent, key, CALL)] * 200, all_sent)
    assert len(answers) == 200
    for answer in answers:
        gateway.document.check("POST", "/v1/agent-tool-call", answer)
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert answers[0].json["execution"]["status"] == "succeeded"
    assert sorted(answer.header("Idempotency-Replayed") or "" for answer in answers) == [""] + ["true"] * 199
    assert target.count == 1
    assert list(target.seen()["by_key"].values()) == [1]
    assert len(organization.receipts(f"&agent_id={agent.id}")) == 1


@pytest.mark.parametrize(("action", "decision"), [("act", "allow"), ("forbidden", "deny"), ("ask", "pending_approval")])
def test_every_decision_is_replayed_byte_for_byte(
    gateway: Gateway, organization: Organization, agent: Agent, action: str, decision: str
) -> None:
    key = fresh("key")
    first = agent.call(action, payload={"n": 1.50, "text": "ü\u2028"}, key=key)
    assert (first.status, first.json["decision"]) == (200, decision)
    assert first.header("Idempotency-Replayed") is None
    replayed(agent.call(action, payload={"text": "ü\u2028", "n": 1.5}, key=key), first)
    gateway.restart()
    replayed(agent.call(action, payload={"n": 1.5, "text": "ü\u2028"}, key=key), first)
    assert len(organization.receipts(f"&agent_id={agent.id}")) == 1


def test_another_run_of_the_agent_may_retry_with_the_key(agent: Agent) -> None:
    key = fresh("key")
    first = agent.call("act", key=key, instance_id="run-1")
    replayed(agent.call("act", key=key, instance_id="run-2"), first)


def test_a_payload_that_is_absent_null_or_not_there_is_the_same_request(agent: Agent) -> None:
    key = fresh("key")
    first = agent.call("act", key=key)
    replayed(agent.call("act", payload=None, key=key), first)
    check_problem(agent.call("act", payload={}, key=key), 409, "conflict")


@pytest.mark.parametrize(
    "changed", [{"action": "act2"}, {"resource": "thing:2"}, {"payload": {"n": 2}}, {"payload": None}]
)
def test_a_key_with_other_parameters_is_a_conflict_and_leaves_nothing(
    organization: Organization, agent: Agent, changed: dict[str, object]
) -> None:
    key = fresh("key")
    first = {"action": "act", "resource": "thing:1", "payload": {"n": 1}}
    headers = (("Idempotency-Key", key),)
    agent.client.ask("POST", "/v1/agent-tool-call", first | {"instance_id": "i"}, headers=headers)
    other = agent.client.ask("POST", "/v1/agent-tool-call", first | changed | {"instance_id": "i"}, headers=headers)
    check_problem(other, 409, "conflict")
    assert len(organization.receipts(f"&agent_id={agent.id}")) == 1


def test_the_key_is_taken_literally_quotes_included(organization: Organization, agent: Agent) -> None:
    keys = ["k", '"k"', "K", "k;v=1", "'k'", "~" * 255, "!"]
    receipts = {agent.call("act", key=key).json["receipt_id"] for key in keys}
    assert len(receipts) == len(keys)
    stored = {receipt["idempotency_key"] for receipt in organization.receipts(f"&agent_id={agent.id}")}
    assert stored == set(keys)


def test_two_agents_may_use_one_key(organization: Organization, agent: Agent) -> None:
    other, key = organization.agent(), fresh("key")
    assert agent.call("act", key=key).json["receipt_id"] != other.call("act", key=key).json["receipt_id"]


def test_rotation_keeps_the_keys(organization: Organization, agent: Agent) -> None:
    key = fresh("key")
    first = agent.call("act", key=key)
    rotated = organization.owner.ask("POST", f"/v1/agents/{agent.id}/rotate", {}).json
    again = Agent(organization, agent.id, rotated["agent_secret"], rotated["credential_id"])
    replayed(again.call("act", key=key), first)


@pytest.mark.parametrize(
    ("behaviour", "status", "detail", "response"),
    [
        ("/status/400", "failed", "refused", "complete"),
        ("/status/404", "failed", "refused", "complete"),
        ("/status/408", "unknown", None, "complete"),
        ("/status/409", "unknown", None, "complete"),
        ("/status/425", "unknown", None, "complete"),
        ("/status/302", "unknown", None, "complete"),
        ("/status/500", "unknown", None, "complete"),
        ("/close", "unknown", "broken", "none"),
        ("/cut/head", "unknown", "broken", "none"),
    ],
)
def test_a_connector_error_is_remembered_and_replayed_and_never_sent_again(
    organization: Organization,
    agent: Agent,
    target: Target,
    behaviour: str,
    status: str,
    detail: str | None,
    response: str,
) -> None:
    organization.connector(target.url(behaviour), action="act")
    key = fresh("key")
    first = agent.call("act", key=key)
    problem = check_problem(first, 502, "connector_error")
    execution = problem["execution"]
    assert (execution["status"], execution["detail"], execution["response"]) == (status, detail, response)
    replayed(agent.call("act", key=key), first)
    assert target.count == 1
    receipt = organization.owner.must(200, "GET", f"/v1/receipts/{problem['receipt_id']}")
    assert (receipt["verdict"], receipt["decision"]) == ("allow", "error")
    assert receipt["execution"]["status"] == status
    assert (receipt["response_hash"] is not None) == (response == "complete")


def test_a_success_whose_body_is_cut_is_a_success_without_a_tool_response(
    organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/cut/body"), action="act")
    key = fresh("key")
    first = agent.call("act", key=key)
    assert (first.status, first.json["decision"], first.json["tool_response"]) == (200, "allow", None)
    assert (first.json["execution"]["status"], first.json["execution"]["response"]) == ("succeeded", "incomplete")
    replayed(agent.call("act", key=key), first)
    assert target.count == 1


def test_a_second_call_while_the_first_is_running_waits_and_gets_the_same_answer(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/held"), action="act")
    key = fresh("key")

    def both_sent() -> None:
        target.wait_for(1)
        target.release()

    answers = at_once(gateway.address, [tool_call(agent, key, CALL)] * 2, both_sent)
    assert answers[0].body == answers[1].body
    assert target.count == 1


def test_what_failed_before_it_was_recorded_leaves_the_key_free(organization: Organization, agent: Agent) -> None:
    key = fresh("key")
    headers = (("Idempotency-Key", key),)
    bad = {"action": "", "resource": "thing:1", "instance_id": "i"}
    check_problem(agent.client.ask("POST", "/v1/agent-tool-call", bad, headers=headers), 400, "bad_request")
    answer = agent.call("act", key=key)
    assert (answer.status, answer.header("Idempotency-Replayed")) == (200, None)
    assert len(organization.receipts(f"&agent_id={agent.id}")) == 1
