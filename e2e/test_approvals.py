"""What waits for a person: asked once, decided once, executed once."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from gateway import Gateway
from load import at_once
from target import Target
from waiting import until
from wire import encode
from world import Agent, Organization, body, check_problem, fresh, rule, unknown_id


@pytest.fixture
def agent(organization: Organization, target: Target) -> Agent:
    organization.policy(
        rule("ask*", "require_approval", approval={"expires_in": "1h"}),
        rule("brief", "require_approval", approval={"expires_in": "60s"}),
        rule("*", "deny"),
    )
    organization.connector(target.url("/echo"), action="ask")
    return organization.agent()


def receipt(organization: Organization, receipt_id: str) -> Any:
    return organization.owner.must(200, "GET", f"/v1/receipts/{receipt_id}")


def test_an_approved_call_is_executed_once_and_leaves_two_receipts(
    organization: Organization, agent: Agent, target: Target
) -> None:
    asked = agent.call("ask", payload={"amount": 5}).json
    assert (asked["decision"], asked["tool_response"], asked["execution"]) == ("pending_approval", None, None)
    assert target.count == 0, "nothing happens before a person decides"
    shown = organization.owner.must(200, "GET", f"/v1/approvals/{asked['approval_id']}")
    assert (shown["status"], shown["payload"], shown["revision"]) == ("pending", {"amount": 5}, 1)
    assert (shown["decided_by"], shown["decided_at"], shown["note"], shown["votes"]) == (None, None, None, [])
    to_agent = agent.approval(asked["approval_id"])
    assert (to_agent["payload"], to_agent["votes"]) == (None, None)
    voted = organization.decide(asked["approval_id"], "approve", revision=1, note="looks right")
    assert voted.status == 200
    approval = organization.final(asked["approval_id"])
    assert (approval["status"], approval["note"]) == ("approved", "looks right")
    assert approval["execution"]["status"] == "succeeded"
    assert approval["decided_by"].startswith("user:")
    assert approval["tool_response"]["sent"]["payload"] == {"amount": 5}
    assert [vote["vote"] for vote in approval["votes"]] == ["approve"]
    assert agent.approval(asked["approval_id"])["tool_response"] == approval["tool_response"]
    first, final = receipt(organization, approval["receipt_id"]), receipt(organization, approval["final_receipt_id"])
    assert (first["event"], first["decision"]) == ("approval_requested", "pending_approval")
    assert (final["event"], final["decision"], final["verdict"]) == ("approval_closed", "allow", "require_approval")
    assert {first["approval_id"], final["approval_id"]} == {asked["approval_id"]}
    assert [vote["by"] for vote in final["approvers"]] == [approval["decided_by"]]
    assert final["response_hash"] is not None
    assert target.count == 1
    assert target.seen()["requests"][0]["headers"]["x-relynt-receipt-id"] == approval["final_receipt_id"]


def test_a_denied_call_is_not_executed(organization: Organization, agent: Agent, target: Target) -> None:
    asked = agent.call("ask").json
    assert organization.decide(asked["approval_id"], "deny", note="no").json["status"] == "denied"
    approval = agent.approval(asked["approval_id"])
    assert (approval["status"], approval["execution"]) == ("denied", None)
    final = receipt(organization, approval["final_receipt_id"])
    assert (final["decision"], final["event"]) == ("deny", "approval_closed")
    assert target.count == 0


def test_a_pending_answer_is_replayed_and_the_outcome_is_read_from_the_approval(
    organization: Organization, agent: Agent, target: Target
) -> None:
    key = fresh("key")
    asked = agent.call("ask", key=key)
    organization.decide(asked.json["approval_id"], "approve")
    organization.final(asked.json["approval_id"])
    again = agent.call("ask", key=key)
    assert (again.body, again.header("Idempotency-Replayed")) == (asked.body, "true")
    assert target.count == 1


def test_identical_requests_that_wait_join_one_approval_and_are_executed_once(
    organization: Organization, agent: Agent, target: Target
) -> None:
    first = agent.call("ask", payload={"n": 1}, instance_id="a").json
    second = agent.call("ask", payload={"n": 1}, instance_id="b").json
    other = agent.call("ask", payload={"n": 2}).json
    stranger = organization.agent().call("ask", payload={"n": 1}).json
    assert first["approval_id"] == second["approval_id"]
    assert first["receipt_id"] != second["receipt_id"]
    assert len({first["approval_id"], other["approval_id"], stranger["approval_id"]}) == 3
    organization.decide(first["approval_id"], "approve")
    organization.final(first["approval_id"])
    assert target.count == 1
    later = agent.call("ask", payload={"n": 1}).json
    assert later["approval_id"] != first["approval_id"], "what is decided is not joined"


def test_a_vote_on_another_revision_or_on_a_decided_approval_is_a_conflict(
    organization: Organization, agent: Agent, target: Target
) -> None:
    asked = agent.call("ask").json
    check_problem(organization.decide(asked["approval_id"], "approve", revision=2), 409, "conflict")
    assert agent.approval(asked["approval_id"])["status"] == "pending"
    assert organization.decide(asked["approval_id"], "deny").status == 200
    for decision in ("approve", "deny"):
        check_problem(organization.decide(asked["approval_id"], decision), 409, "conflict")
    check_problem(organization.decide(unknown_id(), "approve"), 404, "not_found")
    assert target.count == 0


@pytest.mark.parametrize("votes", [("approve", "deny"), ("approve", "approve")])
def test_deciders_that_race_get_one_outcome_and_one_execution(
    gateway: Gateway, organization: Organization, agent: Agent, target: Target, votes: tuple[str, str]
) -> None:
    for _ in range(10):
        before = target.count
        asked = agent.call("ask", payload={"n": fresh("n")}).json
        headers = [("Authorization", f"Bearer {organization.token}"), ("Content-Type", "application/json")]
        path = f"/v1/approvals/{asked['approval_id']}/decision"
        answers = at_once(
            gateway.address,
            [encode("POST", path, headers, body({"decision": vote})) for vote in votes * 4],
        )
        for answer in answers:
            gateway.document.check("POST", path, answer)
        assert sorted(answer.status for answer in answers) == [200] + [409] * 7
        approval = organization.final(asked["approval_id"])
        taken = next(vote for answer, vote in zip(answers, votes * 4, strict=True) if answer.status == 200)
        assert approval["status"] == {"approve": "approved", "deny": "denied"}[taken]
        assert target.count == before + (taken == "approve")
        finals = organization.receipts(f"&approval_id={asked['approval_id']}")
        assert sorted(one["event"] for one in finals) == ["approval_closed", "approval_requested"]


def test_a_waiting_caller_sees_the_decision_within_250_ms(organization: Organization, agent: Agent) -> None:
    for decision, status in (("approve", "approved"), ("deny", "denied")):
        asked = agent.call("ask_self", payload={"n": fresh("n")}).json
        seen: dict[str, Any] = {}

        def wait(approval_id: str = asked["approval_id"], seen: dict[str, Any] = seen) -> None:
            seen["approval"] = agent.approval(approval_id, wait_ms=30_000)
            seen["at"] = time.monotonic()

        waiting = threading.Thread(target=wait)
        waiting.start()
        until(lambda: organization.gateway.metric("relynt_connections") >= 1, "the wait has arrived")
        assert waiting.is_alive()
        assert organization.decide(asked["approval_id"], decision).status == 200
        decided = time.monotonic()
        waiting.join()
        assert seen["approval"]["status"] == status
        assert seen["at"] - decided < 0.25


def test_a_wait_ends_with_the_state_as_it_stands(agent: Agent) -> None:
    asked = agent.call("ask").json
    started = time.monotonic()
    assert agent.approval(asked["approval_id"], wait_ms=300)["status"] == "pending"
    assert 0.29 <= time.monotonic() - started < 2
    for wrong in ("60001", "-1", "x", ""):
        check_problem(agent.client.get(f"/v1/approvals/{asked['approval_id']}?wait_ms={wrong}"), 400, "bad_request")


def test_a_wait_for_an_approved_call_lasts_until_its_execution_is_over(
    organization: Organization, agent: Agent, target: Target
) -> None:
    organization.connector(target.url("/held/echo"), action="ask", position=0)
    asked = agent.call("ask").json
    decider = threading.Thread(target=organization.decide, args=(asked["approval_id"], "approve"))
    decider.start()
    target.wait_for(1)
    running = agent.approval(asked["approval_id"], wait_ms=100)
    assert (running["status"], running["tool_response"]) in (("pending", None), ("approved", None))
    assert running["status"] == "pending" or running["execution"]["status"] == "pending"
    target.release()
    decider.join()
    done = agent.approval(asked["approval_id"], wait_ms=30_000)
    assert (done["status"], done["execution"]["status"]) == ("approved", "succeeded")


def test_an_approval_expires_by_itself_and_nothing_is_executed(
    organization: Organization, agent: Agent, target: Target
) -> None:
    """The shortest expiry there is: one minute."""
    asked = agent.call("brief").json
    approval = until(
        lambda: (found := agent.approval(asked["approval_id"], wait_ms=60_000))["status"] != "pending" and found,
        "the approval has expired",
        within=90,
    )
    assert (approval["status"], approval["decided_by"], approval["execution"]) == ("expired", None, None)
    final = receipt(organization, approval["final_receipt_id"])
    assert (final["decision"], final["approvers"] or []) == ("deny", [])
    assert "expired" in final["reason"]
    check_problem(organization.decide(asked["approval_id"], "approve"), 409, "conflict")
    assert target.count == 0


def test_disabling_the_agent_cancels_what_waits(organization: Organization, agent: Agent, target: Target) -> None:
    asked = agent.call("ask").json
    disabled = organization.owner.must(200, "POST", f"/v1/agents/{agent.id}/disable", {})
    assert disabled["status"] == "disabled"
    approval = organization.owner.must(200, "GET", f"/v1/approvals/{asked['approval_id']}")
    assert (approval["status"], approval["blocked_by"]) == ("cancelled", "agent_disabled")
    assert receipt(organization, approval["final_receipt_id"])["decision"] == "deny"
    check_problem(organization.decide(asked["approval_id"], "approve"), 409, "conflict")
    check_problem(agent.call("ask"), 403, "forbidden")
    organization.owner.must(200, "POST", f"/v1/agents/{agent.id}/enable", {})
    assert agent.call("ask").json["decision"] == "pending_approval"
    assert target.count == 0


@pytest.mark.parametrize("change", ["origin", "route", "another connector", "gone"])
def test_an_approval_does_not_outlive_the_connector_that_it_was_given_for(
    organization: Organization, agent: Agent, target: Target, change: str
) -> None:
    connector = organization.connector(target.url("/echo"), action="ask_now")
    path = f"/v1/connectors/{connector['connector_id']}"
    asked = agent.call("ask_now", "thing:1").json
    match change:
        case "origin":
            organization.owner.must(
                200, "PATCH", path, {"base_url": target.url("/ok").replace("127.0.0.1", "localhost")}
            )
        case "route":
            route = {"resource": "thing:{id}", "method": "POST", "path": "/ok/{id}"}
            organization.owner.must(200, "PATCH", path, {"routes": {"ask_now": route}})
        case "another connector":
            organization.connector(target.url("/ok"), action="ask_now", position=0)
        case "gone":
            assert organization.owner.ask("DELETE", path).status in (200, 204)
    organization.decide(asked["approval_id"], "approve")
    approval = organization.final(asked["approval_id"])
    assert (approval["status"], approval["blocked_by"]) == ("cancelled", "connector_changed")
    assert receipt(organization, approval["final_receipt_id"])["decision"] == "error"
    assert target.count == 0


def test_an_approval_is_cancelled_when_a_newer_version_denies(
    organization: Organization, agent: Agent, target: Target
) -> None:
    asked = agent.call("ask").json
    organization.policy(rule("*", "deny"))
    organization.decide(asked["approval_id"], "approve")
    approval = organization.final(asked["approval_id"])
    assert (approval["status"], approval["blocked_by"]) == ("cancelled", "policy")
    assert target.count == 0


def test_an_approved_action_that_the_agent_performs_itself_has_an_end(organization: Organization, agent: Agent) -> None:
    asked = agent.call("ask_self").json
    organization.decide(asked["approval_id"], "approve")
    approval = agent.approval(asked["approval_id"])
    assert (approval["status"], approval["performed_by"], approval["execution"]) == ("approved", "agent", None)
    assert approval["valid_until"] > approval["decided_at"]
    final = receipt(organization, approval["final_receipt_id"])
    assert (final["decision"], final["valid_until"]) == ("allow", approval["valid_until"])


def test_the_command_line_lists_and_decides(organization: Organization, agent: Agent, target: Target) -> None:
    gateway = organization.gateway
    asked = agent.call("ask").json
    listed = gateway.command("approvals", "list", "--json", token=organization.token)
    assert listed.returncode == 0, listed.stderr
    assert asked["approval_id"] in listed.stdout
    decided = gateway.command("approvals", "approve", asked["approval_id"], token=organization.token)
    assert decided.returncode == 0, decided.stderr
    assert organization.final(asked["approval_id"])["status"] == "approved"
    assert target.count == 1
    again = gateway.command("approvals", "deny", asked["approval_id"], token=organization.token)
    assert again.returncode != 0
    assert len(again.stderr.strip().splitlines()) == 1


def test_pending_approvals_are_listed_by_status_and_agent(organization: Organization, agent: Agent) -> None:
    asked = [agent.call("ask", payload={"n": number}).json["approval_id"] for number in range(5)]
    organization.agent().call("ask")
    organization.decide(asked[0], "deny")
    pending = organization.owner.all(f"/v1/approvals?status=pending&agent_id={agent.id}&limit=2", "approvals")
    assert [one["approval_id"] for one in pending] == asked[:0:-1]
    denied = organization.owner.all("/v1/approvals?status=denied", "approvals")
    assert [one["approval_id"] for one in denied] == [asked[0]]
