"""Many calls: every one recorded once, written in groups, and nothing acknowledged is ever lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway import Gateway, relynt
from load import call_many, tool_call
from world import Agent, Organization, fresh, rule


@pytest.fixture
def agent(organization: Organization) -> Agent:
    organization.policy(rule("act", "allow"), rule("*", "deny"))
    return organization.agent()


def requests_of(agent: Agent, count: int) -> list[tuple[str, bytes]]:
    prefix = fresh("load")
    made = []
    for number in range(count):
        action = "act" if number % 2 else "forbidden"
        value = {"action": action, "resource": f"thing:{number}", "instance_id": "load", "payload": {"n": number}}
        made.append((f"{prefix}-{number}", tool_call(agent, f"{prefix}-{number}", value)))
    return made


def verify_all(gateway: Gateway, organization: Organization, folder: Path) -> list[dict[str, object]]:
    """Export everything, verify it offline with the published keys alone, and return the receipts."""
    exported = gateway.command("receipts", "export", token=organization.token)
    assert exported.returncode == 0, exported.stderr
    (folder / "export.jsonl").write_text(exported.stdout)
    keys = gateway.ask("GET", "/.well-known/relynt-keys.json")
    (folder / "keys.json").write_bytes(keys.body)
    verified = relynt("verify", str(folder / "export.jsonl"), "--keys", str(folder / "keys.json"))
    assert verified.returncode == 0, verified.stdout[-2000:] + verified.stderr
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    return [line for line in lines if "receipt_id" in line]


def test_10000_calls_at_64_connections_leave_10000_valid_receipts(
    gateway: Gateway, organization: Organization, agent: Agent, tmp_path: Path
) -> None:
    called = call_many(gateway.address, requests_of(agent, 10_000), connections=64)
    answers = [one.answer for one in called if one.answer is not None]
    assert len(answers) == 10_000
    for answer in answers:
        assert answer.status == 200, answer
        gateway.document.check("POST", "/v1/agent-tool-call", answer)
    ids = {answer.json["receipt_id"] for answer in answers}
    assert len(ids) == 10_000
    receipts = verify_all(gateway, organization, tmp_path)
    found = [receipt["receipt_id"] for receipt in receipts if receipt["agent_id"] == agent.id]
    assert len(found) == 10_000
    assert set(found) == ids


def test_nothing_acknowledged_is_missing_after_a_kill_in_the_middle(
    gateway: Gateway, organization: Organization, agent: Agent, tmp_path: Path
) -> None:
    def kill_at_1000(count: int) -> None:
        if count == 1000:
            gateway.kill()

    called = call_many(gateway.address, requests_of(agent, 3_000), connections=64, answered=kill_at_1000)
    acknowledged = {one.key: one.answer.json["receipt_id"] for one in called if one.answer is not None}
    assert 1_000 <= len(acknowledged) < 3_000
    gateway.start()
    receipts = verify_all(gateway, organization, tmp_path)
    by_id = {receipt["receipt_id"]: receipt for receipt in receipts}
    assert len(by_id) == len(receipts), "no duplicate id"
    for key, receipt_id in acknowledged.items():
        assert by_id[receipt_id]["idempotency_key"] == key
    of_agent = [receipt for receipt in receipts if receipt["agent_id"] == agent.id]
    assert len({receipt["idempotency_key"] for receipt in of_agent}) == len(of_agent), "no key was used twice"


def groups(gateway: Gateway) -> dict[float, float]:
    """How many groups of commands were committed together, by the upper bounds of their sizes."""
    cumulative: dict[float, float] = {}
    for line in gateway.metrics_text().splitlines():
        if line.startswith("relynt_store_group_size_bucket{"):
            labels, _, value = line.rpartition(" ")
            cumulative[float(labels.split('le="')[1].split('"')[0])] = float(value)
    assert cumulative, "no metric relynt_store_group_size"
    bounds = sorted(cumulative)
    return {
        bound: cumulative[bound] - cumulative.get(below, 0)
        for below, bound in zip([0.0, *bounds], bounds, strict=False)
    }


def loaded(gateway: Gateway, agent: Agent, calls: int, connections: int) -> dict[float, float]:
    """The groups that a load was committed in."""
    before = groups(gateway)
    answered = call_many(gateway.address, requests_of(agent, calls), connections=connections)
    assert [one.answer.status for one in answered if one.answer] == [200] * calls
    return {bound: count - before[bound] for bound, count in groups(gateway).items()}


def test_with_64_connections_calls_are_committed_in_groups_of_at_least_8(gateway: Gateway, agent: Agent) -> None:
    sizes = loaded(gateway, agent, 3_000, connections=64)
    in_small_groups = sum(bound * count for bound, count in sizes.items() if bound <= 7)
    assert in_small_groups < 1_500, f"the median call is in a group below 8: {sizes}"


def test_with_one_connection_no_time_is_spent_waiting_for_others(gateway: Gateway, agent: Agent) -> None:
    sizes = loaded(gateway, agent, 300, connections=1)
    assert {bound: count for bound, count in sizes.items() if count} == {1.0: 300.0}
