"""Secrets and payload values are nowhere but where they are made to be shown."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from gateway import Gateway
from target import Target
from world import Agent, Organization, check_problem, fresh, rule


def canary(name: str) -> str:
    return f"canary/{name}+{uuid.uuid4().hex}="


def disguises(secret: str) -> Iterator[tuple[str, bytes]]:
    """How a secret might lie around."""
    raw = secret.encode()
    yield "plain", raw
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    yield "url-encoded", quote(secret, safe="").encode()
    yield "url-encoded in part", quote(secret).encode()
    yield "JSON in JSON", secret.replace("/", "\\/").encode()
    # Base64 at each of the three offsets, without the ends that depend on what stands around it.
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield f"base64 at {shift}", encode(b"\0" * shift + raw)[shift + 1 : -4].strip(b"=")


def look_for(secrets: dict[str, str], places: dict[str, bytes]) -> list[str]:
    return [
        f"{name} ({disguise}) in {place}"
        for name, secret in secrets.items()
        for disguise, needle in disguises(secret)
        for place, hay in places.items()
        if needle in hay
    ]


@pytest.fixture
def agent(organization: Organization) -> Agent:
    organization.policy(
        rule("do*", "allow", conditions={"deny_fields": ["password"]}),
        rule("ask", "require_approval", conditions={"require_approval_if_stage": ["closed_won"]}),
        rule("*", "deny"),
    )
    return organization.agent()


def test_the_disguises_are_found_where_they_are() -> None:
    secret = canary("self-test")
    for place in (
        secret.encode(),
        base64.b64encode(b"user:" + secret.encode() + b" and more"),
        base64.urlsafe_b64encode(b"x" + secret.encode() + b"tail"),
        quote(secret, safe="").encode(),
        secret.encode().hex().encode(),
    ):
        assert look_for({"it": secret}, {"place": b"..." + place + b"..."}), place


def test_no_secret_and_no_payload_value_is_in_logs_database_metrics_or_answers(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target
) -> None:
    header, other_header = canary("header"), canary("other-header")
    fields = {name: canary(name) for name in ("note", "password", "stage", "asked", "failed", "erroneous")}
    nested_key = canary("key")
    connector = organization.connector(
        target.url("/leak"),
        action="do",
        headers={"Authorization": f"Bearer {header}", "X-Api-Key": other_header},
    )
    organization.connector(target.url("/status/500/echo"), action="do_fail")
    assert connector["headers"] == {"authorization": "********", "x-api-key": "********"}

    # Every way through: executed, denied for a field, asked, failed, refused before evaluation.
    done = agent.call("do", payload={"note": fields["note"], nested_key: 1})
    assert done.status == 200, done
    assert "********" in done.body.decode()
    assert target.seen()["requests"][0]["headers"]["x-api-key"] == other_header, "the target gets it"
    denied = agent.call("do", payload={"password": fields["password"]})
    assert denied.json["decision"] == "deny"
    asked = agent.call("ask", payload={"stage": "closed_won", "asked": fields["asked"]})
    assert asked.json["decision"] == "pending_approval", asked
    agent.call("ask", payload={"stage": fields["stage"]})
    check_problem(agent.call("do_fail", payload={"failed": fields["failed"]}), 502, "connector_error")
    check_problem(agent.call("do\n", payload={"erroneous": fields["erroneous"]}), 400, "bad_request")
    agent.client.ask("POST", "/v1/agent-tool-call", {"action": "do", fields["erroneous"]: 1})
    for wrong in (agent.secret[:-1], agent.secret[:-7] + "AAAAAAA", organization.token[:-1]):
        bad = gateway.ask(
            "GET", f"/v1/receipts?search={quote(fields['erroneous'])}", [("Authorization", f"Bearer {wrong}")]
        )
        check_problem(bad, 401, "unauthorized")
    organization.owner.ask("POST", "/v1/connectors", {"name": "x", "headers": {"Host": header}, "base_url": header})
    organization.owner.ask("PATCH", f"/v1/connectors/{connector['connector_id']}", {"headers": {"a\r\nb": header}})
    for path in (
        "/v1/receipts",
        "/v1/connectors",
        "/v1/agents",
        "/v1/tokens",
        f"/v1/agents/{agent.id}/credentials",
        f"/v1/receipts/{done.json['receipt_id']}",
        f"/v1/receipts/{done.json['receipt_id']}/verify",
        f"/v1/executions/{done.json['execution']['execution_id']}",
        "/v1/policies",
        "/readyz",
        "/",
    ):
        assert organization.owner.get(path).status == 200, path
    metrics = gateway.metrics_text().encode()
    while_running = database_files(gateway)
    gateway.kill()
    gateway.start()
    gateway.stop()

    secrets = {"agent secret": agent.secret, "agent secret's random part": agent.secret[27:70]}
    secrets |= {"access token": organization.token, "token's random part": organization.token[27:70]}
    secrets |= {"connector header": header, "connector header 2": other_header}
    payloads = {f"payload value `{name}`": value for name, value in fields.items()} | {"payload key": nested_key}
    at_rest = {f"{name} while running": data for name, data in while_running.items()} | database_files(gateway)
    quiet = at_rest | {"log": gateway.log.read_bytes(), "metrics": metrics}
    assert look_for(secrets | payloads, quiet) == []

    # Answers: secrets are shown once, by the call that makes them; payload values by the approval alone.
    shown_once = (b'"agent_secret"', b'"token":"')
    answers = b"\n".join(text for text in gateway.transcript if not any(mark in text for mark in shown_once))
    assert look_for(secrets, {"answers": answers}) == []
    plain = b"\n".join(text for text in gateway.transcript if b'"payload"' not in text and b"/echo" not in text)
    hidden = {name: value for name, value in payloads.items() if "failed" not in name}
    assert look_for(hidden, {"answers": plain}) == []
    assert len(gateway.log.read_bytes()) > 10_000, "the log is at its most verbose"


def database_files(gateway: Gateway) -> dict[str, bytes]:
    """Every file of the data folder but the one that is the secret."""
    files = {path.name: path.read_bytes() for path in gateway.data.iterdir() if path.is_file()}
    assert files.pop("master.key", b""), "the master key has a file of its own"
    return files


def test_the_folder_keeps_no_credential_and_its_key_is_for_the_owner_alone(gateway: Gateway) -> None:
    assert sorted(path.name for path in gateway.data.iterdir() if "-" not in path.name) == [
        "lock",
        "master.key",
        "relynt.db",
    ]
    assert (gateway.data / "master.key").stat().st_mode & 0o777 == 0o600
    assert (gateway.data / "master.key").stat().st_size == 32
    secrets = {name: gateway.said[name] for name in ("agent_secret", "access_token")}
    assert look_for(secrets, database_files(gateway) | {"log": gateway.log.read_bytes()}) == []


def test_a_secret_is_dropped_when_the_origin_changes_and_kept_when_the_mask_comes_back(
    organization: Organization, agent: Agent, target: Target
) -> None:
    secret = fresh("header-value")
    connector = organization.connector(target.url("/ok"), action="do", headers={"X-Api-Key": secret})
    path = f"/v1/connectors/{connector['connector_id']}"
    organization.owner.must(200, "PATCH", path, {"headers": {"X-Api-Key": "********"}, "timeout_ms": 5000})
    agent.call("do")
    assert target.seen()["requests"][-1]["headers"]["x-api-key"] == secret
    elsewhere = target.url("/ok").replace("127.0.0.1", "localhost")
    changed = organization.owner.must(200, "PATCH", path, {"base_url": elsewhere})
    assert changed["headers"] == {}
    agent.call("do")
    assert "x-api-key" not in target.seen()["requests"][-1]["headers"]
