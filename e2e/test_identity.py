"""Credentials, tokens, roles and scopes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from gateway import Gateway
from waiting import until
from wire import Answer
from world import UNSET, Agent, Client, Organization, check_problem, fresh, rule, unknown_id


@pytest.fixture
def agent(organization: Organization) -> Agent:
    organization.policy(rule("act", "allow"), rule("ask", "require_approval"), rule("*", "deny"))
    return organization.agent()


def rotate(agent: Agent, **options: Any) -> Agent:
    rotated = agent.organization.owner.ask("POST", f"/v1/agents/{agent.id}/rotate", options)
    assert rotated.status == 200, rotated
    return Agent(agent.organization, agent.id, rotated.json["agent_secret"], rotated.json["credential_id"])


def test_rotation_revokes_the_earlier_credential_at_once(organization: Organization, agent: Agent) -> None:
    new = rotate(agent)
    check_problem(agent.call("act"), 401, "unauthorized")
    assert new.call("act").json["decision"] == "allow"
    listed = organization.owner.must(200, "GET", f"/v1/agents/{agent.id}/credentials")["credentials"]
    assert {one["credential_id"]: one["revoked_at"] is not None for one in listed} == {
        agent.credential_id: True,
        new.credential_id: False,
    }


def test_rotation_gives_the_environment_once(gateway: Gateway, organization: Organization, agent: Agent) -> None:
    rotated = organization.owner.ask("POST", f"/v1/agents/{agent.id}/rotate", {}).json
    assert rotated["environment"] == {
        "RELYNT_API_BASE_URL": gateway.base_url,
        "RELYNT_AGENT_SECRET": rotated["agent_secret"],
        "RELYNT_AGENT_ID": agent.id,
        "RELYNT_ORG_ID": organization.id,
    }
    secret = rotated["agent_secret"]
    assert secret.startswith("rly_")
    assert len(secret) == len("rly_") + 22 + 1 + 43 + 6
    for path in (f"/v1/agents/{agent.id}", f"/v1/agents/{agent.id}/credentials"):
        assert secret[27:70] not in organization.owner.get(path).body.decode()


def test_rotation_with_overlap_keeps_the_last_credential_and_no_more_than_two(agent: Agent) -> None:
    second = rotate(agent, overlap_seconds=600)
    assert agent.call("act").status == 200
    assert second.call("act").status == 200
    third = rotate(second, overlap_seconds=600)
    check_problem(agent.call("act"), 401, "unauthorized")
    assert second.call("act").status == 200
    last = rotate(third)
    for earlier in (agent, second, third):
        check_problem(earlier.call("act"), 401, "unauthorized")
    assert last.call("act").status == 200


def test_an_overlap_ends_by_itself(agent: Agent) -> None:
    second = rotate(agent, overlap_seconds=1)
    until(lambda: agent.call("act").status == 401, "the overlap is over")
    assert second.call("act").status == 200


def test_a_credential_that_has_expired_is_401(organization: Organization, agent: Agent) -> None:
    soon = (datetime.now(timezone.utc) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    brief = rotate(agent, expires_at=soon)
    until(lambda: brief.call("act").status == 401, "the credential has expired")
    past = organization.owner.ask("POST", f"/v1/agents/{agent.id}/rotate", {"expires_at": "2020-01-01T00:00:00.000Z"})
    check_problem(past, 400, "bad_request")


def test_a_revoked_credential_is_401_also_after_a_restart(
    gateway: Gateway, organization: Organization, agent: Agent
) -> None:
    second = rotate(agent, overlap_seconds=600)
    path = f"/v1/agents/{agent.id}/credentials/{agent.credential_id}"
    assert organization.owner.ask("DELETE", path).status in (200, 204)
    check_problem(agent.call("act"), 401, "unauthorized")
    gateway.restart()
    check_problem(agent.call("act"), 401, "unauthorized")
    assert second.call("act").status == 200


def test_a_disabled_agent_is_403_and_its_name_stays_taken(organization: Organization) -> None:
    name = fresh("agent")
    agent = organization.agent(name=name)
    organization.owner.must(200, "POST", f"/v1/agents/{agent.id}/disable", {})
    check_problem(agent.call("act"), 403, "forbidden")
    check_problem(organization.owner.ask("POST", "/v1/agents", {"name": name}), 409, "conflict")
    check_problem(organization.owner.ask("DELETE", f"/v1/agents/{agent.id}"), 405, "method_not_allowed")
    organization.owner.must(200, "POST", f"/v1/agents/{agent.id}/enable", {})
    assert agent.call("act").status == 200


def test_a_registered_agent_has_no_credential_until_it_is_rotated(organization: Organization) -> None:
    made = organization.owner.must(201, "POST", "/v1/agents", {"name": fresh("agent"), "tags": ["a", "b"]})
    assert (made["status"], made["tags"], made["last_seen_at"]) == ("active", ["a", "b"], None)
    credentials = organization.owner.must(200, "GET", f"/v1/agents/{made['agent_id']}/credentials")
    assert credentials["credentials"] == []


def test_rules_for_agents_reach_those_agents_alone(organization: Organization) -> None:
    tagged, named, other = organization.agent(tags=["sales"]), organization.agent(), organization.agent()
    organization.policy(rule("act", "allow", agents=["sales", named.id]), rule("*", "deny"))
    decisions = [agent.call("act").json["decision"] for agent in (tagged, named, other)]
    assert decisions == ["allow", "allow", "deny"]


def test_a_deleted_token_is_401_and_a_token_is_shown_once(organization: Organization) -> None:
    made = organization.owner.must(201, "POST", "/v1/tokens", {"name": fresh("token"), "role": "viewer"})
    client = Client(organization.gateway, made["token"])
    assert client.get("/v1/agents").status == 200
    assert "approvals:decide" not in made["scopes"]
    assert made["token"] not in organization.owner.get("/v1/tokens").body.decode()
    assert organization.owner.ask("DELETE", f"/v1/tokens/{made['token_id']}").status in (200, 204)
    check_problem(client.get("/v1/agents"), 401, "unauthorized")


# Who may what: the least role, and the scope that the token needs.
Call = Callable[[Client], Answer]


def post(path: str, value: Callable[[], Any] = dict) -> Call:
    return lambda client: client.ask("POST", path, value())


def get(path: str) -> Call:
    return lambda client: client.get(path)


ENDPOINTS: dict[str, tuple[str, str, Call]] = {
    "agents": ("viewer", "read", get("/v1/agents")),
    "receipts": ("viewer", "read", get("/v1/receipts")),
    "approvals": ("viewer", "read", get("/v1/approvals")),
    "policies": ("viewer", "read", get("/v1/policies")),
    "organization": ("viewer", "read", get("/v1/organization")),
    "connectors": ("approver", "read", get("/v1/connectors")),
    "simulate": ("viewer", "read", post("/v1/policy-simulator", lambda: {"action": "a", "resource": "r"})),
    "decide": (
        "approver",
        "approvals:decide",
        post(f"/v1/approvals/{unknown_id()}/decision", lambda: {"decision": "approve"}),
    ),
    "register an agent": ("admin", "manage", post("/v1/agents", lambda: {"name": fresh("agent")})),
    "rotate": ("admin", "manage", post(f"/v1/agents/{unknown_id()}/rotate")),
    "disable": ("admin", "manage", post(f"/v1/agents/{unknown_id()}/disable")),
    "change an agent": (
        "admin",
        "manage",
        lambda client: client.ask("PATCH", f"/v1/agents/{unknown_id()}", {"name": "x"}),
    ),
    "revoke": (
        "admin",
        "manage",
        lambda client: client.ask("DELETE", f"/v1/agents/{unknown_id()}/credentials/{unknown_id()}"),
    ),
    "save a policy": ("admin", "manage", post("/v1/policies", lambda: {"rules": [rule("*", "deny")]})),
    "activate": ("admin", "manage", post("/v1/policies/v999999/activate")),
    "make a connector": (
        "admin",
        "manage",
        post(
            "/v1/connectors",
            lambda: {"name": fresh("c"), "action": "x", "resource_pattern": "*", "base_url": "http://127.0.0.1:9/"},
        ),
    ),
    "change a connector": (
        "admin",
        "manage",
        lambda client: client.ask("PATCH", f"/v1/connectors/{unknown_id()}", {"name": "x"}),
    ),
    "delete a connector": ("admin", "manage", lambda client: client.ask("DELETE", f"/v1/connectors/{unknown_id()}")),
}
ROLES = ["viewer", "approver", "admin", "owner"]
SCOPES = ["read", "manage", "approvals:decide", "log:read"]


def test_every_role_may_what_it_may_and_nothing_more(organization: Organization) -> None:
    wrong: list[str] = []
    for role in ROLES:
        scopes = ["read", "log:read"]
        scopes += ["approvals:decide"] if role != "viewer" else []
        scopes += ["manage"] if role in ("admin", "owner") else []
        client = organization.with_token(role, scopes)
        for name, (least, _, call) in ENDPOINTS.items():
            answer = call(client)
            allowed = ROLES.index(role) >= ROLES.index(least)
            if (answer.status in (401, 403)) == allowed or (not allowed and answer.status != 403):
                wrong.append(f"{role}: {name}: {answer.status} {answer.body[:200]!r}")
    assert not wrong, "\n".join(wrong)


def test_every_scope_opens_what_it_names_and_nothing_more(organization: Organization) -> None:
    wrong: list[str] = []
    for scope in SCOPES:
        client = organization.with_token("owner", [scope])
        for name, (_, needed, call) in ENDPOINTS.items():
            answer = call(client)
            if (answer.status == 403) == (needed == scope):
                wrong.append(f"{scope}: {name}: {answer.status} {answer.body[:200]!r}")
    assert not wrong, "\n".join(wrong)


def test_a_token_never_gives_more_than_its_maker_has(organization: Organization) -> None:
    admin = organization.with_token("admin", ["read", "manage"])
    for wanted in (
        {"role": "owner"},
        {"role": "admin", "scopes": ["approvals:decide"]},
        {"role": "admin", "scopes": ["log:read"]},
    ):
        answer = admin.ask("POST", "/v1/tokens", {"name": fresh("t")} | wanted)
        assert answer.status in (400, 403), wanted
    assert admin.ask("POST", "/v1/tokens", {"name": fresh("t"), "role": "admin"}).status == 201


def test_an_agent_may_call_simulate_and_read_its_own_and_nothing_else(gateway: Gateway, agent: Agent) -> None:
    own = {
        "POST /v1/agent-tool-call",
        "POST /v1/policy-simulator",
        "GET /v1/receipts",
        "GET /v1/receipts/{receipt_id}",
        "GET /v1/receipts/{receipt_id}/verify",
        "GET /v1/approvals/{approval_id}",
        "GET /v1/executions/{execution_id}",
    }
    for operation in gateway.document.operations:
        if not operation.path.startswith("/v1/") or str(operation) in own:
            continue
        path = re.sub(r"\{\w+_id\}", unknown_id(), operation.path.replace("{version}", "v1"))
        value = {} if operation.method in ("POST", "PATCH") else UNSET
        answer = agent.client.ask(operation.method, path, value)
        check_problem(answer, 403, "forbidden")
    check_problem(agent.client.get("/v1/receipts?search=act"), 403, "forbidden")


def test_a_person_may_not_make_tool_calls(organization: Organization) -> None:
    value = {"action": "act", "resource": "r", "instance_id": "i"}
    answer = organization.owner.ask("POST", "/v1/agent-tool-call", value, headers=(("Idempotency-Key", fresh("k")),))
    check_problem(answer, 403, "forbidden")
