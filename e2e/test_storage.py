"""The store that is full, and the one that is healthy again."""

from __future__ import annotations

import json

import pytest

from gateway import Gateway, relynt
from target import Target
from world import Agent, Organization, check_problem, fresh, rule


@pytest.fixture
def agent(organization: Organization) -> Agent:
    organization.policy(rule("act", "allow"), rule("do", "allow"), rule("*", "deny"))
    return organization.agent()


def test_a_full_disk_is_503_executes_nothing_loses_nothing_and_passes(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/ok"), action="do")
    acknowledged = {agent.call("act", payload={"n": number}).json["receipt_id"] for number in range(20)}
    largest = max(path.stat().st_size for path in gateway.data.iterdir())
    gateway.limit_file_size(largest)
    refused = 0
    for number in range(2_000):
        answer = agent.call("act", payload={"filler": "x" * 20_000, "n": number})
        if answer.status == 200:
            acknowledged.add(answer.json["receipt_id"])
            continue
        check_problem(answer, 503, "unavailable")
        assert answer.header("Retry-After")
        refused += 1
        if refused == 3:
            break
    assert refused == 3, "the disk was full"
    key = fresh("key")
    check_problem(agent.call("do", key=key, payload={"filler": "x" * 20_000}), 503, "unavailable")
    assert target.count == 0, "no intent, no execution"
    assert gateway.ask("GET", "/healthz").status == 200
    assert organization.owner.get("/v1/receipts").status == 200, "what is there can be read"

    gateway.limit_file_size(-1)
    done = agent.call("do", key=key, payload={"filler": "x" * 20_000})
    assert (done.status, done.json["execution"]["status"]) == (200, "succeeded")
    assert target.count == 1
    acknowledged.add(done.json["receipt_id"])
    gateway.restart()
    found = [receipt["receipt_id"] for receipt in organization.receipts(f"&agent_id={agent.id}")]
    assert acknowledged <= set(found)
    assert len(found) == len(set(found))


def test_what_was_made_is_there_after_a_restart(gateway: Gateway, organization: Organization, agent: Agent) -> None:
    before = {
        path: organization.owner.get(path).json
        for path in ("/v1/policies", "/v1/connectors", "/v1/organization", "/v1/approvals", "/v1/receipts")
    }
    keys = gateway.ask("GET", "/.well-known/relynt-keys.json").json
    gateway.restart()
    assert gateway.said["agent_secret"] is None, "it was shown once"
    assert gateway.said["access_token"] != gateway.first["access_token"]
    assert gateway.said["agent_id"] == gateway.first["agent_id"]
    assert gateway.ask("GET", "/.well-known/relynt-keys.json").json == keys
    assert {path: organization.owner.get(path).json for path in before} == before
    assert agent.call("act").json["decision"] == "allow"


def test_organizations_are_made_only_while_no_gateway_holds_the_folder(gateway: Gateway) -> None:
    arguments = (
        "organizations",
        "create",
        "Late",
        "--owner",
        "late@example.com",
        "--data",
        str(gateway.data),
        "--json",
    )
    refused = relynt(*arguments)
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr
    gateway.stop()
    made = relynt(*arguments)
    assert made.returncode == 0, made.stderr
    assert sorted(json.loads(made.stdout)) == ["access_token", "organization_id", "user_id"]
    gateway.start()
    late = Organization(gateway, json.loads(made.stdout)["organization_id"], json.loads(made.stdout)["access_token"])
    assert late.owner.must(200, "GET", "/v1/organization")["name"] == "Late"
    assert late.owner.must(200, "GET", "/v1/receipts")["receipts"] == []
