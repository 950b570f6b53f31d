"""A client whose connection ends at any step of a call: one execution, and the key tells what came of it."""

from __future__ import annotations

import pytest

import wire
from fault_proxy import CutAt, FaultProxy
from gateway import Gateway
from load import tool_call
from target import Target
from wire import Answer
from world import Agent, Organization, fresh, rule

VALUE: dict[str, object] = {"action": "do", "resource": "thing:1", "instance_id": "run-1", "payload": {"n": 1}}
HEAD = len(b"POST /v1/agent-tool-call HTTP/1.1\r\n")

CUTS = {
    "before anything is sent": CutAt(request_bytes=0),
    "in the request's head": CutAt(request_bytes=HEAD + 20),
    "in the request's body": CutAt(request_bytes=-5),
    "after the request": CutAt(answer_bytes=0),
    "after one byte of the answer": CutAt(answer_bytes=1),
    "in the answer's head": CutAt(answer_bytes=60),
    "in the answer's body": CutAt(answer_bytes=-5),
    "after the answer": CutAt(),
}


@pytest.fixture
def agent(organization: Organization, target: Target) -> Agent:
    organization.policy(rule("do", "allow"), rule("ask", "require_approval"), rule("*", "deny"))
    organization.connector(target.url("/echo"), action="do")
    return organization.agent()


def cut_call(gateway: Gateway, agent: Agent, key: str, cut: CutAt, whole_answer: int) -> Answer | None:
    """Call through the proxy; the answer, if it came through whole."""
    data = tool_call(agent, key, VALUE)
    if cut.request_bytes is not None and cut.request_bytes < 0:
        cut = CutAt(request_bytes=len(data) + cut.request_bytes, reset=cut.reset)
    if cut.answer_bytes is not None and cut.answer_bytes < 0:
        cut = CutAt(answer_bytes=whole_answer + cut.answer_bytes, reset=cut.reset)
    with FaultProxy(gateway.address, cut) as proxy:
        try:
            with wire.Connection(proxy.address) as connection:
                connection.send(data)
                return connection.answer()
        except ConnectionError:
            return None


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("where", CUTS)
def test_a_cut_call_executes_once_and_its_key_reads_the_outcome(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target, where: str, reset: bool
) -> None:
    usual = agent.call("do", "thing:1", {"n": 1})
    whole_answer = len(usual.head) + 4 + len(usual.body)
    before, key = target.count, fresh("key")
    cut = CutAt(CUTS[where].request_bytes, CUTS[where].answer_bytes, reset)
    through = cut_call(gateway, agent, key, cut, whole_answer)
    assert (through is not None) == (where == "after the answer")
    again = agent.call("do", "thing:1", {"n": 1}, key=key)
    assert (again.status, again.json["execution"]["status"]) == (200, "succeeded")
    assert again.json["tool_response"]["sent"]["payload"] == {"n": 1}
    if through is not None:
        assert again.body == through.body
    once_more = agent.call("do", "thing:1", {"n": 1}, key=key)
    assert (once_more.body, once_more.header("Idempotency-Replayed")) == (again.body, "true")
    assert target.count == before + 1
    receipts = [r for r in organization.receipts(f"&agent_id={agent.id}") if r["idempotency_key"] == key]
    assert [receipt["receipt_id"] for receipt in receipts] == [again.json["receipt_id"]]


def test_a_client_that_leaves_while_the_target_works_does_not_end_the_call(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/held/echo"), action="do", position=0)
    key = fresh("key")
    connection = wire.Connection(gateway.address)
    connection.send(tool_call(agent, key, VALUE))
    target.wait_for(1)
    connection.close()
    target.release()
    again = agent.call("do", "thing:1", {"n": 1}, key=key)
    assert (again.status, again.json["execution"]["status"]) == (200, "succeeded")
    assert again.header("Idempotency-Replayed") == "true"
    assert target.count == 1


def test_a_decision_is_taken_even_if_the_approver_leaves(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/held/echo"), action="ask")
    approval_id = agent.call("ask").json["approval_id"]
    headers = [("Authorization", f"Bearer {organization.token}"), ("Content-Type", "application/json")]
    connection = wire.Connection(gateway.address)
    connection.send(wire.encode("POST", f"/v1/approvals/{approval_id}/decision", headers, b'{"decision":"approve"}'))
    target.wait_for(1)
    connection.close()
    target.release()
    approval = organization.final(approval_id)
    assert (approval["status"], approval["execution"]["status"]) == ("approved", "succeeded")
    assert target.count == 1
