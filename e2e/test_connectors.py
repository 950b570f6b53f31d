"""Actions that the gateway carries out: what is sent, where it may go, what comes back."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from gateway import Gateway
from target import Target
from world import Agent, Organization, check_problem, first_organization, fresh, rule


@pytest.fixture
def agent(organization: Organization) -> Agent:
    organization.policy(rule("*", "allow"))
    return organization.agent()


def test_the_target_gets_the_envelope_in_canonical_form(
    organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/ok"), action="do", headers={"X-Api-Key": "a-secret-of-the-target"})
    key = fresh("key")
    answer = agent.call("do", "thing:1", {"b": 1.50, "a": "ü"}, key=key, instance_id="run-7").json
    (request,) = target.seen()["requests"]
    envelope = {
        "action": "do",
        "agent_id": agent.id,
        "approval_id": None,
        "instance_id": "run-7",
        "payload": {"a": "ü", "b": 1.5},
        "receipt_id": answer["receipt_id"],
        "resource": "thing:1",
    }
    assert request["body"] == json.dumps(envelope, separators=(",", ":"), ensure_ascii=False)
    assert (request["method"], request["path"]) == ("POST", "/ok")
    headers = request["headers"]
    parts = f"{organization.id}\0{agent.id}\0{key}\0".encode()
    derived = base64.urlsafe_b64encode(hashlib.sha256(parts).digest()).decode().rstrip("=")
    assert headers["idempotency-key"] == derived
    assert headers["x-relynt-receipt-id"] == answer["receipt_id"]
    assert headers["x-api-key"] == "a-secret-of-the-target"
    assert headers["content-type"] == "application/json"
    assert headers["traceparent"].startswith("00-")
    assert "authorization" not in headers
    assert (answer["performed_by"], answer["execution"]["http_status"]) == ("gateway", 200)


@pytest.mark.parametrize(
    ("behaviour", "tool_response"),
    [
        ("/ok", {"done": True}),
        ("/status/201/ok", {"done": True}),
        ("/array", {"data": [1, 2, 3]}),
        ("/text", {"text": "done, ganz über"}),
        ("/empty", {}),
    ],
)
def test_every_kind_of_answer_becomes_a_tool_response(
    organization: Organization, agent: Agent, target: Target, behaviour: str, tool_response: object
) -> None:
    organization.connector(target.url(behaviour), action="do")
    answer = agent.call("do").json
    assert (answer["decision"], answer["tool_response"]) == ("allow", tool_response)
    receipt = organization.owner.must(200, "GET", f"/v1/receipts/{answer['receipt_id']}")
    assert receipt["response_hash"].startswith("sha256:")


def test_an_answer_beyond_1_mib_is_not_read_to_its_end(
    organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/big/2000000"), action="do")
    answer = agent.call("do").json
    assert (answer["tool_response"], answer["execution"]["response"]) == (None, "incomplete")
    assert answer["execution"]["status"] == "succeeded"


def test_a_target_that_says_nothing_is_unknown_after_its_time_out(
    organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/never"), action="do", timeout_ms=300)
    problem = check_problem(agent.call("do"), 502, "connector_error")
    assert (problem["execution"]["status"], problem["execution"]["detail"]) == ("unknown", "timeout")
    assert target.count == 1


def test_a_target_that_is_not_there_is_failed_because_nothing_was_sent(
    organization: Organization, agent: Agent, target: Target
) -> None:
    port = target.port
    target.__exit__(None, None, None)
    organization.connector(f"http://127.0.0.1:{port}/ok", action="do")
    problem = check_problem(agent.call("do"), 502, "connector_error")
    assert (problem["execution"]["status"], problem["execution"]["detail"]) == ("failed", "not_sent")


def test_an_allowed_action_without_a_connector_is_the_agents_own(organization: Organization, agent: Agent) -> None:
    answer = agent.call("own").json
    assert (answer["decision"], answer["performed_by"], answer["tool_response"]) == ("allow", "agent", None)
    receipt = organization.owner.must(200, "GET", f"/v1/receipts/{answer['receipt_id']}")
    assert receipt["valid_until"] == answer["valid_until"] is not None
    assert receipt["execution"] is None


def test_a_route_puts_the_parts_of_the_resource_into_the_path(
    organization: Organization, agent: Agent, target: Target
) -> None:
    route = {
        "resource": "crm:deal:{id}",
        "method": "PUT",
        "path": "/ok/{id}",
        "query": {"by": "relynt"},
        "body": "payload",
    }
    organization.connector(target.url(""), action="do", routes={"do": route})
    assert agent.call("do", "crm:deal:a b", {"n": 1}).status == 200
    (request,) = target.seen()["requests"]
    assert (request["method"], request["path"]) == ("PUT", "/ok/a%20b?by=relynt")
    assert request["body"] == '{"n":1}'


@pytest.mark.parametrize(
    "resource",
    [
        "crm:deal:..",
        "crm:deal:.",
        "crm:deal:a/b",
        "crm:deal:a\\b",
        "crm:deal:a%2fb",
        "crm:deal:",
        "crm:deal:a:b",
        "crm:deal",
    ],
)
def test_a_resource_that_does_not_fit_the_route_is_400_before_anything_happens(
    organization: Organization, agent: Agent, target: Target, resource: str
) -> None:
    route = {"resource": "crm:deal:{id}", "method": "POST", "path": "/ok/{id}"}
    organization.connector(target.url(""), action="do", routes={"do": route})
    check_problem(agent.call("do", resource), 400, "bad_request")
    assert target.count == 0
    assert organization.receipts(f"&agent_id={agent.id}") == []


def test_the_first_connector_in_the_order_performs_the_action(
    organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/status/200/second"), action="d*", position=2)
    first = organization.connector(target.url("/status/200/first"), action="do", position=1)
    answer = agent.call("do").json
    assert answer["execution"]["connector_id"] == first["connector_id"]
    assert agent.call("dx").json["execution"]["connector_id"] != first["connector_id"]


def test_no_address_is_reached_that_the_operator_does_not_allow(gateway: Gateway, target: Target) -> None:
    """`dev` allows loopback; with the list emptied nothing but public addresses is left."""
    gateway.stop()
    gateway.start(environment={"RELYNT_CONNECTOR_ALLOW": ""})
    organization = first_organization(gateway)
    organization.policy(rule("*", "allow"))
    agent = organization.agent()
    for number, host in enumerate(
        ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1", "2130706433", "0x7f000001"]
    ):
        url = f"http://{host}:{target.port}/ok"
        wanted = {"name": fresh("c"), "action": f"do{number}", "resource_pattern": "*", "base_url": url}
        made = organization.owner.ask("POST", "/v1/connectors", wanted)
        if made.status == 201:
            problem = check_problem(agent.call(f"do{number}"), 502, "connector_error")
            assert (problem["execution"]["status"], problem["execution"]["detail"]) == ("failed", "not_sent"), host
        else:
            check_problem(made, 400, "bad_request")
    assert target.seen()["connections"] == 0


def test_a_connector_never_reaches_the_gateway_itself(
    gateway: Gateway, organization: Organization, agent: Agent
) -> None:
    for number, url in enumerate([f"{gateway.base_url}/v1/agents", gateway.said["metrics_url"]]):
        wanted = {"name": fresh("c"), "action": f"self{number}", "resource_pattern": "*", "base_url": url}
        made = organization.owner.ask("POST", "/v1/connectors", wanted)
        if made.status == 201:
            problem = check_problem(agent.call(f"self{number}"), 502, "connector_error")
            assert problem["execution"]["detail"] == "not_sent"
        else:
            check_problem(made, 400, "bad_request")


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"headers": {"Host": "x"}}, "/headers/Host"),
        ({"headers": {"Content-Length": "1"}}, "/headers/Content-Length"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "/headers/X-A"),
        ({"timeout_ms": 99}, "/timeout_ms"),
        ({"timeout_ms": 60001}, "/timeout_ms"),
        ({"base_url": "ftp://example.com/"}, "/base_url"),
        ({"base_url": "http://user:secret@example.com/"}, "/base_url"),
        ({"action": ""}, "/action"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_wrong_connector_is_refused_and_the_fault_is_pointed_at(
    organization: Organization, changed: dict[str, object], pointer: str
) -> None:
    good = {"name": fresh("c"), "action": "x", "resource_pattern": "*", "base_url": "https://example.com/"}
    answer = organization.owner.ask("POST", "/v1/connectors", good | changed)
    problem = check_problem(answer, 400, "bad_request")
    assert pointer in [fault["pointer"] for fault in problem["errors"]], problem
