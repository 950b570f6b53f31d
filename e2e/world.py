"""Organizations, people, agents: what the scenarios speak about."""

from __future__ import annotations

import itertools
import json
import uuid
from dataclasses import dataclass
from typing import Any

from gateway import Gateway, relynt
from waiting import until
from wire import Answer

_numbers = itertools.count(1)
UNSET: Any = object()


def fresh(prefix: str) -> str:
    """A name that nothing else in this run has."""
    return f"{prefix}-{next(_numbers)}-{uuid.uuid4().hex[:8]}"


def unknown_id() -> str:
    """A well-formed id (UUID version 7) that nothing has."""
    digits = uuid.uuid4().hex
    return str(uuid.UUID(f"019b0000{digits[8:12]}7{digits[13:16]}b{digits[17:]}"))


def body(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Client:
    """Requests with one bearer credential."""

    gateway: Gateway
    bearer: str | None = None

    def ask(self, method: str, path: str, value: Any = UNSET, *, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        given = list(headers)
        if self.bearer is not None:
            given.append(("Authorization", f"Bearer {self.bearer}"))
        if value is UNSET:
            return self.gateway.ask(method, path, given)
        given.append(("Content-Type", "application/json"))
        return self.gateway.ask(method, path, given, body(value))

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def must(self, status: int, method: str, path: str, value: Any = UNSET) -> Any:
        """The parsed answer, which has this status."""
        answer = self.ask(method, path, value)
        assert answer.status == status, f"{method} {path}: {answer.status} {answer.body.decode()}"
        return answer.json if answer.body else None

    def all(self, path: str, plural: str) -> list[Any]:
        """Every item of a list, page by page."""
        found: list[Any] = []
        cursor = ""
        separator = "&" if "?" in path else "?"
        while True:
            page = self.must(200, "GET", path + (f"{separator}cursor={cursor}" if cursor else ""))
            found += page[plural]
            cursor = page["next_cursor"]
            if cursor is None:
                return found


@dataclass(frozen=True)
class Agent:
    """An agent with a credential."""

    organization: Organization
    id: str
    secret: str
    credential_id: str

    @property
    def client(self) -> Client:
        return Client(self.organization.gateway, self.secret)

    def call(
        self,
        action: str,
        resource: str = "thing:1",
        payload: Any = UNSET,
        *,
        key: str | None = None,
        instance_id: str = "run-1",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        """One tool call; a new key unless one is given."""
        value = {"action": action, "resource": resource, "instance_id": instance_id}
        if payload is not UNSET:
            value["payload"] = payload
        given = (("Idempotency-Key", key or fresh("key")), *headers)
        return self.client.ask("POST", "/v1/agent-tool-call", value, headers=given)

    def approval(self, approval_id: str, wait_ms: int | None = None) -> Any:
        query = "" if wait_ms is None else f"?wait_ms={wait_ms}"
        return self.client.must(200, "GET", f"/v1/approvals/{approval_id}{query}")


@dataclass(frozen=True)
class Organization:
    """An organization, through its Owner's token."""

    gateway: Gateway
    id: str
    token: str

    @property
    def owner(self) -> Client:
        return Client(self.gateway, self.token)

    def agent(self, *, name: str | None = None, tags: list[str] | None = None) -> Agent:
        made = self.owner.must(201, "POST", "/v1/agents", {"name": name or fresh("agent"), "tags": tags or []})
        rotated = self.owner.must(200, "POST", f"/v1/agents/{made['agent_id']}/rotate", {})
        return Agent(self, made["agent_id"], rotated["agent_secret"], rotated["credential_id"])

    def with_token(self, role: str, scopes: list[str] | None = None) -> Client:
        wanted: dict[str, Any] = {"name": fresh("token"), "role": role}
        if scopes is not None:
            wanted["scopes"] = scopes
        return Client(self.gateway, self.owner.must(201, "POST", "/v1/tokens", wanted)["token"])

    def policy(self, *rules: dict[str, Any]) -> str:
        """Save and activate these rules; the version's name."""
        version: str = self.owner.must(201, "POST", "/v1/policies", {"rules": list(rules)})["version"]
        self.owner.must(200, "POST", f"/v1/policies/{version}/activate", {})
        return version

    def connector(self, base_url: str, *, action: str, resource_pattern: str = "*", **fields: Any) -> Any:
        wanted = {"name": fresh("connector"), "action": action, "resource_pattern": resource_pattern}
        return self.owner.must(201, "POST", "/v1/connectors", wanted | {"base_url": base_url, "position": 1} | fields)

    def receipts(self, query: str = "") -> list[Any]:
        return self.owner.all(f"/v1/receipts?limit=200{query}", "receipts")

    def decide(self, approval_id: str, decision: str, **fields: Any) -> Answer:
        return self.owner.ask("POST", f"/v1/approvals/{approval_id}/decision", {"decision": decision} | fields)

    def final(self, approval_id: str) -> Any:
        """The approval once nothing more will come of it."""

        def look() -> Any:
            approval = self.owner.must(200, "GET", f"/v1/approvals/{approval_id}?wait_ms=1000")
            running = approval["execution"] and approval["execution"]["status"] == "pending"
            return None if approval["status"] == "pending" or running else approval

        return until(look, f"approval {approval_id} is final", within=30)


def rule(action: str, decision: str, resource_pattern: str = "*", **fields: Any) -> dict[str, Any]:
    return {"action": action, "resource_pattern": resource_pattern, "decision": decision, **fields}


def first_organization(gateway: Gateway) -> Organization:
    """The organization that `dev` makes."""
    return Organization(gateway, gateway.first["organization_id"], gateway.first["access_token"])


def second_organization(gateway: Gateway) -> Organization:
    """One more organization in the folder of a gateway that is not running."""
    name, owner = fresh("Second"), f"{fresh('owner')}@example.com"
    made = relynt("organizations", "create", name, "--owner", owner, "--data", str(gateway.data), "--json")
    assert made.returncode == 0, made.stderr
    said = json.loads(made.stdout)
    return Organization(gateway, said["organization_id"], said["access_token"])


def check_problem(answer: Answer, status: int, code: str) -> Any:
    """The problem document of an error in the documented form."""
    assert answer.status == status, f"{answer.status} instead of {status}: {answer.body.decode()}"
    assert answer.media_type == "application/problem+json"
    assert answer.json["code"] == code, answer.json
    return answer.json
