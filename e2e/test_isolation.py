"""Two organizations crosswise on every operation that the gateway describes.

The list of operations comes from the gateway's own document; one without a case fails the test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway import Gateway
from target import Target
from wire import Answer
from world import UNSET, Agent, Client, Organization, fresh, rule, unknown_id


@dataclass(frozen=True)
class Tenant:
    """An organization with at least one item of every kind."""

    organization: Organization
    agent: Agent
    receipt_id: str
    execution_id: str
    approval_id: str
    connector_id: str
    token_id: str
    version: str

    @property
    def owner(self) -> Client:
        return self.organization.owner

    def marks(self) -> list[str]:
        """Texts that nobody else may ever be shown."""
        return [
            self.organization.id,
            self.agent.id,
            self.agent.credential_id,
            self.receipt_id,
            self.execution_id,
            self.approval_id,
            self.connector_id,
            self.token_id,
        ]

    def state(self) -> dict[str, Any]:
        """Everything that another organization might have changed, as the Owner sees it."""
        paths = {
            "agents": "/v1/agents",
            "approvals": "/v1/approvals",
            "connectors": "/v1/connectors",
            "credentials": f"/v1/agents/{self.agent.id}/credentials",
            "policies": "/v1/policies",
            "receipts": "/v1/receipts?limit=200",
            "tokens": "/v1/tokens",
        }
        state = {plural: self.owner.all(path, plural) for plural, path in paths.items()}
        state["organization"] = self.owner.must(200, "GET", "/v1/organization")
        return json.loads(re.sub(r'"last_(used|seen)_at": "[^"]*"', '"seen": 0', json.dumps(state)))  # type: ignore[no-any-return]


def settle(organization: Organization, target: Target, versions: int) -> Tenant:
    for _ in range(versions):
        version = organization.policy(rule("do", "allow"), rule("ask", "require_approval"), rule("*", "deny"))
    agent = organization.agent()
    connector = organization.connector(target.url("/ok"), action="do", headers={"X-Api-Key": fresh("secret")})
    executed = agent.call("do").json
    pending = agent.call("ask").json
    token = organization.owner.must(201, "POST", "/v1/tokens", {"name": fresh("token"), "role": "viewer"})
    return Tenant(
        organization,
        agent,
        executed["receipt_id"],
        executed["execution"]["execution_id"],
        pending["approval_id"],
        connector["connector_id"],
        token["token_id"],
        version,
    )


@pytest.fixture
def tenants(two_organizations: tuple[Organization, Organization], target: Target) -> tuple[Tenant, Tenant]:
    """The victim, which has more policy versions, and the other one, who asks."""
    first, second = two_organizations
    return settle(first, target, versions=3), settle(second, target, versions=1)


# --- what one operation must show ---------------------------------------------------------------

Case = Callable[[Tenant, Tenant], None]


def without_request_id(answer: Answer) -> tuple[int, Any]:
    value = answer.json if answer.body else None
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if key != "request_id"}
    return answer.status, value


def same_as_unknown(method: str, path: str, kind: str, value: Any = UNSET, by: str = "owner") -> Case:
    """The victim's id and an id that does not exist get the same answer."""

    def check(victim: Tenant, other: Tenant) -> None:
        theirs, nobodys = ids(victim, kind)
        caller = other.owner if by == "owner" else other.agent.client
        headers = (("Idempotency-Key", fresh("key")),) if "tool-call" in path else ()
        seen = caller.ask(method, path.replace("{}", theirs), value, headers=headers)
        unknown = caller.ask(method, path.replace("{}", nobodys), value, headers=headers)
        assert without_request_id(seen) == without_request_id(unknown), f"{method} {path} by {by}"
        assert seen.status == 404, f"{method} {path} by {by}: {seen.status}"

    return check


def ids(victim: Tenant, kind: str) -> tuple[str, str]:
    theirs = {
        "agent": victim.agent.id,
        "receipt": victim.receipt_id,
        "execution": victim.execution_id,
        "approval": victim.approval_id,
        "connector": victim.connector_id,
        "token": victim.token_id,
        "version": victim.version,
    }[kind]
    return theirs, "v999999" if kind == "version" else unknown_id()


def both(*checks: Case) -> Case:
    def check(victim: Tenant, other: Tenant) -> None:
        for one in checks:
            one(victim, other)

    return check


def shows_nothing_of_others(path: str, plural: str | None = None, by_agent: bool = False) -> Case:
    def check(victim: Tenant, other: Tenant) -> None:
        for caller in [other.owner, *([other.agent.client] if by_agent else [])]:
            text = json.dumps(caller.all(path, plural) if plural else caller.must(200, "GET", path))
            found = [mark for mark in victim.marks() if mark in text]
            assert not found, f"GET {path} shows {found}"

    return check


def creates_at_home(method: str, path: str, value: Callable[[], Any], status: int = 201) -> Case:
    """What one organization makes is not seen by the other: `state` is compared for every case."""

    def check(victim: Tenant, other: Tenant) -> None:
        made = other.owner.must(status, method, path, value())
        found = [mark for mark in victim.marks() if mark in json.dumps(made)]
        assert not found, f"{method} {path} shows {found}"

    return check


def is_public(path: str) -> Case:
    def check(victim: Tenant, other: Tenant) -> None:
        answer = Client(other.organization.gateway).get(path)
        assert answer.status == 200
        found = [mark for mark in victim.marks() + other.marks() if mark in answer.body.decode()]
        assert not found, f"{path} shows {found}"

    return check


def one_credential_of_anothers_agent(victim: Tenant, other: Tenant) -> None:
    """All four combinations of agent and credential behave as if neither existed."""
    combinations = [
        (victim.agent.id, victim.agent.credential_id),
        (victim.agent.id, unknown_id()),
        (unknown_id(), victim.agent.credential_id),
        (other.agent.id, victim.agent.credential_id),
    ]
    nothing = other.owner.ask("DELETE", f"/v1/agents/{unknown_id()}/credentials/{unknown_id()}")
    assert nothing.status == 404
    for agent_id, credential_id in combinations:
        answer = other.owner.ask("DELETE", f"/v1/agents/{agent_id}/credentials/{credential_id}")
        assert answer.status == 404
    last = other.owner.ask("DELETE", f"/v1/agents/{other.agent.id}/credentials/{victim.agent.credential_id}")
    unknown = other.owner.ask("DELETE", f"/v1/agents/{other.agent.id}/credentials/{unknown_id()}")
    assert without_request_id(last) == without_request_id(unknown)


def a_call_is_decided_at_home(victim: Tenant, other: Tenant) -> None:
    """One key used by both is two calls, and the longer credential form does not cross over."""
    key = fresh("key")
    theirs = victim.agent.call("nothing", key=key).json["receipt_id"]
    ours = other.agent.call("nothing", key=key)
    assert ours.json["receipt_id"] != theirs
    assert ours.header("Idempotency-Replayed") is None
    crossed = Client(other.organization.gateway, f"{victim.agent.id}:{other.agent.secret}")
    value = {"action": "do", "resource": "thing:1", "instance_id": "i"}
    answer = crossed.ask("POST", "/v1/agent-tool-call", value, headers=(("Idempotency-Key", fresh("key")),))
    assert answer.status == 401


def a_simulation_knows_no_other_agents_or_versions(victim: Tenant, other: Tenant) -> None:
    request = {"action": "do", "resource": "thing:1"}
    for field, (theirs, nobodys) in {"agent_id": ids(victim, "agent"), "version": ids(victim, "version")}.items():
        seen = other.owner.ask("POST", "/v1/policy-simulator", request | {field: theirs})
        unknown = other.owner.ask("POST", "/v1/policy-simulator", request | {field: nobodys})
        assert seen.status in (400, 404), field
        assert blurred(seen, theirs) == blurred(unknown, nobodys), field


def a_policy_names_no_other_agents(victim: Tenant, other: Tenant) -> None:
    theirs, nobodys = ids(victim, "agent")
    seen = other.owner.ask("POST", "/v1/policies", {"rules": [rule("*", "allow", agents=[theirs])]})
    unknown = other.owner.ask("POST", "/v1/policies", {"rules": [rule("*", "allow", agents=[nobodys])]})
    assert seen.status == 400
    assert blurred(seen, theirs) == blurred(unknown, nobodys)


def blurred(answer: Answer, given: str) -> tuple[int, str]:
    """The answer with what was given blotted out: an error may repeat its own request."""
    status, value = without_request_id(answer)
    return status, json.dumps(value).replace(given, "GIVEN")


def filters_find_nothing_of_others(victim: Tenant, other: Tenant) -> None:
    for query in (
        f"agent_id={victim.agent.id}",
        f"approval_id={victim.approval_id}",
        f"search={victim.receipt_id}",
        f"search={victim.receipt_id[9:30]}",
    ):
        assert other.organization.receipts(f"&{query}") == [], query
    page = victim.owner.must(200, "GET", "/v1/receipts?limit=1")
    foreign = other.owner.ask("GET", f"/v1/receipts?limit=1&cursor={page['next_cursor']}")
    assert foreign.status in (200, 400)
    assert not [mark for mark in victim.marks() if mark in foreign.body.decode()]


DECISION = {"decision": "approve"}

CASES: dict[str, Case] = {
    "GET /healthz": is_public("/healthz"),
    "GET /readyz": is_public("/readyz"),
    "GET /.well-known/relynt-keys.json": is_public("/.well-known/relynt-keys.json"),
    "GET /openapi.json": is_public("/openapi.json"),
    "GET /": is_public("/"),
    "POST /v1/agent-tool-call": a_call_is_decided_at_home,
    "POST /v1/policy-simulator": a_simulation_knows_no_other_agents_or_versions,
    "GET /v1/receipts": both(
        shows_nothing_of_others("/v1/receipts?limit=200", "receipts", by_agent=True), filters_find_nothing_of_others
    ),
    "GET /v1/receipts/{receipt_id}": both(
        same_as_unknown("GET", "/v1/receipts/{}", "receipt"),
        same_as_unknown("GET", "/v1/receipts/{}", "receipt", by="agent"),
    ),
    "GET /v1/receipts/{receipt_id}/verify": both(
        same_as_unknown("GET", "/v1/receipts/{}/verify", "receipt"),
        same_as_unknown("GET", "/v1/receipts/{}/verify", "receipt", by="agent"),
    ),
    "GET /v1/executions/{execution_id}": both(
        same_as_unknown("GET", "/v1/executions/{}", "execution"),
        same_as_unknown("GET", "/v1/executions/{}", "execution", by="agent"),
    ),
    "GET /v1/approvals": shows_nothing_of_others("/v1/approvals", "approvals"),
    "GET /v1/approvals/{approval_id}": both(
        same_as_unknown("GET", "/v1/approvals/{}", "approval"),
        same_as_unknown("GET", "/v1/approvals/{}?wait_ms=50", "approval"),
        same_as_unknown("GET", "/v1/approvals/{}", "approval", by="agent"),
        same_as_unknown("GET", "/v1/approvals/{}?wait_ms=50", "approval", by="agent"),
    ),
    "POST /v1/approvals/{approval_id}/decision": both(
        same_as_unknown("POST", "/v1/approvals/{}/decision", "approval", DECISION),
        same_as_unknown("POST", "/v1/approvals/{}/decision", "approval", DECISION | {"revision": 1}),
    ),
    "GET /v1/agents": shows_nothing_of_others("/v1/agents", "agents"),
    "POST /v1/agents": creates_at_home("POST", "/v1/agents", lambda: {"name": fresh("agent")}),
    "GET /v1/agents/{agent_id}": same_as_unknown("GET", "/v1/agents/{}", "agent"),
    "PATCH /v1/agents/{agent_id}": same_as_unknown("PATCH", "/v1/agents/{}", "agent", {"name": "mine"}),
    "POST /v1/agents/{agent_id}/disable": same_as_unknown("POST", "/v1/agents/{}/disable", "agent", {}),
    "POST /v1/agents/{agent_id}/enable": same_as_unknown("POST", "/v1/agents/{}/enable", "agent", {}),
    "POST /v1/agents/{agent_id}/rotate": same_as_unknown("POST", "/v1/agents/{}/rotate", "agent", {}),
    "GET /v1/agents/{agent_id}/credentials": same_as_unknown("GET", "/v1/agents/{}/credentials", "agent"),
    "DELETE /v1/agents/{agent_id}/credentials/{credential_id}": one_credential_of_anothers_agent,
    "GET /v1/policies": shows_nothing_of_others("/v1/policies", "policies"),
    "POST /v1/policies": both(
        a_policy_names_no_other_agents,
        creates_at_home("POST", "/v1/policies", lambda: {"rules": [rule("*", "deny")]}),
    ),
    "GET /v1/policies/{version}": same_as_unknown("GET", "/v1/policies/{}", "version"),
    "POST /v1/policies/{version}/activate": same_as_unknown("POST", "/v1/policies/{}/activate", "version", {}),
    "GET /v1/connectors": shows_nothing_of_others("/v1/connectors", "connectors"),
    "POST /v1/connectors": creates_at_home(
        "POST",
        "/v1/connectors",
        lambda: {"name": fresh("c"), "action": "x", "resource_pattern": "*", "base_url": "http://127.0.0.1:9/"},
    ),
    "GET /v1/connectors/{connector_id}": same_as_unknown("GET", "/v1/connectors/{}", "connector"),
    "PATCH /v1/connectors/{connector_id}": same_as_unknown("PATCH", "/v1/connectors/{}", "connector", {"name": "x"}),
    "DELETE /v1/connectors/{connector_id}": same_as_unknown("DELETE", "/v1/connectors/{}", "connector"),
    "GET /v1/tokens": shows_nothing_of_others("/v1/tokens", "tokens"),
    "POST /v1/tokens": creates_at_home("POST", "/v1/tokens", lambda: {"name": fresh("t"), "role": "viewer"}),
    "DELETE /v1/tokens/{token_id}": same_as_unknown("DELETE", "/v1/tokens/{}", "token"),
    "GET /v1/organization": shows_nothing_of_others("/v1/organization"),
}


def test_every_operation_of_the_document_keeps_two_organizations_apart(
    gateway: Gateway, tenants: tuple[Tenant, Tenant]
) -> None:
    described = {str(operation) for operation in gateway.document.operations}
    assert described - CASES.keys() == set(), "operations without a two-organization case"
    extra = CASES.keys() - described - {"GET /", "GET /openapi.json"}
    assert extra == set(), "cases without an operation"
    for name, case in CASES.items():
        for victim, other in (tenants, tenants[::-1]):
            if "{version}" in name and victim is tenants[1]:
                continue  # the smaller organization has no version that the other one lacks
            if name == "POST /v1/policy-simulator" and victim is tenants[1]:
                continue
            before = victim.state() if name != "POST /v1/agent-tool-call" else None
            case(victim, other)
            if before is not None:
                assert victim.state() == before, f"{name} changed another organization"


def test_every_operation_but_the_public_ones_refuses_callers_without_a_credential(
    gateway: Gateway, tenants: tuple[Tenant, Tenant]
) -> None:
    victim, _ = tenants
    before = victim.state()
    for operation in gateway.document.operations:
        path = re.sub(r"\{[^}]*\}", unknown_id(), operation.path)
        answer = Client(gateway).ask(operation.method, path, UNSET if operation.method == "GET" else {})
        if operation.path.startswith("/v1/"):
            assert operation.secured, f"{operation}: the document names no credential"
            assert answer.status == 401, f"{operation}: {answer.status}"
        else:
            assert answer.status == 200, f"{operation}: {answer.status}"
    assert victim.state() == before


def test_an_agent_sees_nothing_of_another_agent_of_its_own_organization(tenants: tuple[Tenant, Tenant]) -> None:
    tenant, _ = tenants
    neighbour = tenant.organization.agent()
    for path in (
        f"/v1/receipts/{tenant.receipt_id}",
        f"/v1/receipts/{tenant.receipt_id}/verify",
        f"/v1/executions/{tenant.execution_id}",
        f"/v1/approvals/{tenant.approval_id}",
    ):
        assert tenant.agent.client.get(path).status == 200, path
        seen = neighbour.client.get(path)
        unknown = neighbour.client.get(re.sub(r"[0-9a-f-]{36}", unknown_id(), path))
        assert seen.status == 404, path
        assert without_request_id(seen) == without_request_id(unknown), path
    assert neighbour.client.must(200, "GET", "/v1/receipts")["receipts"] == []
    own = neighbour.client.ask("GET", f"/v1/receipts?agent_id={tenant.agent.id}")
    assert own.status in (200, 400)
    assert tenant.receipt_id not in own.body.decode()
