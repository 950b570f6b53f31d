"""A process that dies at the worst moment."""

from __future__ import annotations

import contextlib
import threading

import pytest

import wire
from gateway import Gateway
from load import tool_call
from target import Target
from waiting import until
from world import Agent, Organization, check_problem, fresh, rule


@pytest.fixture
def agent(organization: Organization) -> Agent:
    organization.policy(rule("act", "allow"), rule("ask", "require_approval"), rule("*", "deny"))
    return organization.agent()


def test_what_was_killed_between_intent_and_outcome_is_closed_as_unknown_and_never_sent_again(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/never"), action="act")
    key = fresh("key")
    value: dict[str, object] = {"action": "act", "resource": "thing:1", "instance_id": "run-1"}
    with wire.Connection(gateway.address) as connection:
        connection.send(tool_call(agent, key, value))
        target.wait_for(1)
        gateway.kill()
        with pytest.raises(wire.Cut):
            connection.answer()
    gateway.start()
    answer = agent.call("act", "thing:1", key=key)
    problem = check_problem(answer, 502, "connector_error")
    assert (problem["execution"]["status"], problem["execution"]["detail"]) == ("unknown", "left_behind")
    assert answer.header("Idempotency-Replayed") == "true"
    receipt = organization.owner.must(200, "GET", f"/v1/receipts/{problem['receipt_id']}")
    assert (receipt["decision"], receipt["execution"]["status"]) == ("error", "unknown")
    assert organization.owner.must(200, "GET", f"/v1/receipts/{problem['receipt_id']}/verify")["valid"] is True
    gateway.restart()
    assert agent.call("act", "thing:1", key=key).body == answer.body
    assert target.count == 1
    assert len(organization.receipts(f"&agent_id={agent.id}")) == 1


def test_an_approved_action_that_was_killed_in_the_middle_is_closed_as_unknown_and_never_sent_again(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/never"), action="ask")
    approval_id = agent.call("ask").json["approval_id"]

    def approve() -> None:
        with contextlib.suppress(ConnectionError):
            organization.decide(approval_id, "approve")

    decider = threading.Thread(target=approve)
    decider.start()
    target.wait_for(1)
    gateway.kill()
    decider.join()
    gateway.start()
    approval = organization.final(approval_id)
    assert (approval["status"], approval["execution"]["status"]) == ("approved", "unknown")
    final = organization.owner.must(200, "GET", f"/v1/receipts/{approval['final_receipt_id']}")
    assert (final["decision"], final["approval_id"], final["event"]) == ("error", approval_id, "approval_closed")
    assert target.count == 1


def test_a_pending_approval_survives_a_kill(gateway: Gateway, organization: Organization, agent: Agent) -> None:
    answer = agent.call("ask", payload={"n": 1})
    gateway.kill()
    gateway.start()
    approval = organization.owner.must(200, "GET", f"/v1/approvals/{answer.json['approval_id']}")
    assert (approval["status"], approval["payload"]) == ("pending", {"n": 1})
    assert organization.decide(answer.json["approval_id"], "approve").status == 200
    assert organization.final(answer.json["approval_id"])["status"] == "approved"


def test_a_second_gateway_on_the_same_folder_is_refused(gateway: Gateway) -> None:
    second = Gateway(gateway.folder)
    with pytest.raises(AssertionError, match="instead of starting"):
        second.start()
    assert gateway.ask("GET", "/readyz").status == 200


def test_a_graceful_stop_finishes_running_work_and_takes_no_new_one(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/held/echo"), action="act")
    key = fresh("key")
    value: dict[str, object] = {"action": "act", "resource": "thing:1", "instance_id": "run-1", "payload": {"n": 1}}
    address = gateway.address
    with wire.Connection(address) as connection:
        connection.send(tool_call(agent, key, value))
        target.wait_for(1)
        gateway.ask_to_stop()
        refuses_new_connections(address)
        target.release()
        answer = connection.answer()
        gateway.wait_stopped()
    assert answer.status == 200
    assert answer.json["execution"]["status"] == "succeeded"
    gateway.start()
    again = agent.call("act", "thing:1", {"n": 1}, key=key)
    assert (again.body, again.header("Idempotency-Replayed")) == (answer.body, "true")
    assert target.count == 1


def refuses_new_connections(address: wire.Address) -> None:
    """New work is refused: no connection, or 503."""

    def refused() -> bool:
        try:
            return wire.once(address, "GET", "/v1/agents").status == 503
        except ConnectionError:
            return True

    until(refused, "new work is refused")
