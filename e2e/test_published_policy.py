"""The policy example that the documentation publishes."""

from __future__ import annotations

import pytest

from world import Organization, fresh, rule

EXAMPLE = [
    rule(
        "update_deal",
        "require_approval",
        "crm:deal:*",
        risk_level="high",
        conditions={"require_approval_if_stage": ["closed_won"]},
    ),
    rule("update_deal", "allow", "crm:deal:*", risk_level="low"),
    rule("*", "deny", "*", risk_level="medium"),
]

CASES = [
    ("update_deal", "crm:deal:1", {"stage": "closed_won"}, "pending_approval", "high", "1"),
    ("update_deal", "crm:deal:1", {"stage": " Closed_Won "}, "pending_approval", "high", "1"),
    ("update_deal", "crm:deal:1", {"stage": ["closed_won"]}, "pending_approval", "high", "1"),
    ("update_deal", "crm:deal:1", {"stage": "negotiation"}, "allow", "low", "2"),
    ("update_deal", "crm:deal:1", {}, "allow", "low", "2"),
    ("update_deal", "crm:deal:1:note", {"stage": "lost"}, "allow", "low", "2"),
    ("update_deal", "crm:deal", {"stage": "negotiation"}, "deny", "medium", "3"),
    ("update_deal", "erp:deal:1", {"stage": "negotiation"}, "deny", "medium", "3"),
    ("delete_deal", "crm:deal:1", {}, "deny", "medium", "3"),
    ("Update_deal", "crm:deal:1", {}, "deny", "medium", "3"),
    ("*", "*", {}, "deny", "medium", "3"),
]


def test_closing_as_won_needs_approval_other_updates_are_allowed_and_everything_else_is_denied(
    organization: Organization,
) -> None:
    version = organization.policy(*EXAMPLE)
    agent = organization.agent()
    for action, resource, payload, decision, risk, rule_id in CASES:
        answer = agent.call(action, resource, payload)
        assert answer.status == 200, answer
        said = answer.json
        told = (said["decision"], said["risk_level"], said["policy_version"])
        assert told == (decision, risk, version), (action, resource, payload, said)
        assert (said["approval_id"] is not None) == (decision == "pending_approval")
        receipt = organization.owner.must(200, "GET", f"/v1/receipts/{said['receipt_id']}")
        assert (receipt["rule_id"], receipt["decision"]) == (rule_id, decision)
        assert receipt["reason"] == said["reason"]


def test_the_simulator_says_what_the_call_then_gets(organization: Organization) -> None:
    organization.policy(*EXAMPLE)
    agent = organization.agent()
    before = len(organization.receipts())
    for action, resource, payload, decision, risk, rule_id in CASES:
        request = {"action": action, "resource": resource, "payload": payload}
        simulated = organization.owner.must(200, "POST", "/v1/policy-simulator", request)
        assert (simulated["decision"], simulated["risk_level"]) == (decision, risk)
        assert simulated["requires_approval"] == (decision == "pending_approval")
        assert simulated["matched_rule"]["id"] == rule_id
        assert simulated["rule_index"] == int(rule_id) - 1
        seen_by_agent = agent.client.must(200, "POST", "/v1/policy-simulator", request)
        assert (seen_by_agent["rule_index"], seen_by_agent["skipped"]) == (None, None)
        assert seen_by_agent["decision"] == decision
    assert len(organization.receipts()) == before, "the simulator leaves no receipt"


def test_a_new_organization_denies_everything_until_a_policy_is_activated(
    two_organizations: tuple[Organization, Organization],
) -> None:
    _, second = two_organizations
    policies = second.owner.must(200, "GET", "/v1/policies")["policies"]
    assert [(policy["version"], policy["active"]) for policy in policies] == [("v1", True)]
    agent = second.agent()
    said = agent.call("update_deal", "crm:deal:1").json
    assert (said["decision"], said["risk_level"], said["policy_version"]) == ("deny", "medium", "v1")


def test_activation_takes_effect_at_once_and_rollback_is_activating_an_older_version(
    organization: Organization,
) -> None:
    agent = organization.agent()
    allowing = organization.policy(rule("*", "allow"))
    assert agent.call("act").json["decision"] == "allow"
    denying = organization.policy(rule("*", "deny"))
    answer = agent.call("act").json
    assert (answer["decision"], answer["policy_version"]) == ("deny", denying)
    activated = organization.owner.must(200, "POST", f"/v1/policies/{allowing}/activate", {"note": fresh("back")})
    assert activated["active"] is True
    answer = agent.call("act").json
    assert (answer["decision"], answer["policy_version"]) == ("allow", allowing)
    listed = organization.owner.must(200, "GET", "/v1/policies")["policies"]
    assert [policy["version"] for policy in listed if policy["active"]] == [allowing]


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ([rule("a", "allow", conditions={"deny_feild": ["x"]})], "/rules/0/conditions/deny_feild"),
        ([rule("a", "allow"), rule("b", "maybe")], "/rules/1/decision"),
        ([rule("a", "deny", conditions={"max_amount_change": 5})], "/rules/0/conditions"),
        ([rule("a", "allow", agents=[])], "/rules/0/agents"),
        ([rule("a", "allow", when="true")], "/rules/0/when"),
        ([rule("a", "allow", id="same"), rule("b", "allow", id="same")], "/rules/1/id"),
        ([rule("", "allow")], "/rules/0/action"),
        ([rule("a", "require_approval", approval={"expires_in": "8d"})], "/rules/0/approval/expires_in"),
        ([rule("a", "require_approval", approval={"quorum": 2})], "/rules/0/approval/quorum"),
    ],
)
def test_a_wrong_policy_is_refused_whole_and_the_fault_is_pointed_at(
    organization: Organization, rules: list[dict[str, object]], pointer: str
) -> None:
    before = organization.owner.must(200, "GET", "/v1/policies")["policies"]
    answer = organization.owner.ask("POST", "/v1/policies", {"rules": rules})
    assert (answer.status, answer.json["code"]) == (400, "bad_request"), answer
    assert pointer in [fault["pointer"] for fault in answer.json["errors"]], answer.json
    assert organization.owner.must(200, "GET", "/v1/policies")["policies"] == before
