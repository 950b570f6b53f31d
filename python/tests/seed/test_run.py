"""The snippets run, unchanged, against the real gateway, and keep what their comments promise."""

from __future__ import annotations

import os
import socket
import uuid
from typing import Any

import pytest
from conftest import HOST, Authority
from fake_gateway import TunnelProxy
from real_gateway import RealGateway
from relynt import ActionResult, ApprovalResult, NetworkError, RelyntClient
from snippets import source

DEAL = {"action": "update_deal", "resource": "crm:deal:123", "payload": {"amount": 52000}}


@pytest.fixture(autouse=True)
def environment(gateway: RealGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in gateway.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def client(environment: None) -> RelyntClient:
    return RelyntClient.from_env()


def run(name: str, text: str | None = None, **names: Any) -> dict[str, Any]:
    """Runs a snippet where the names that earlier ones left are known."""
    names["__name__"] = "__main__"
    exec(compile(text or source(name), name, "exec"), names)
    return names


def closing(client: RelyntClient) -> ActionResult:
    """A request that has to be approved; each one is another."""
    payload = {"stage": "closed_won", "amount": 1, "note": str(uuid.uuid4())}
    return client.request_action("update_deal", "crm:deal:123", payload)


def test_quick_start(capsys: pytest.CaptureFixture[str], gateway: RealGateway) -> None:
    names = run("01_quick_start.py")
    decision, receipt_id = capsys.readouterr().out.splitlines()
    assert decision == "allow"
    assert decision in ("allow", "deny", "pending_approval")
    assert str(uuid.UUID(receipt_id)) == receipt_id
    result: ActionResult = names["result"]
    assert result.performed_by == "gateway"
    assert result.tool_response
    assert result.risk_level in ("low", "medium", "high")
    receipt = gateway.manage("GET", f"/v1/receipts/{receipt_id}")
    assert receipt["decision"] == "allow"
    assert receipt["agent_id"] == gateway.agent_id
    assert gateway.manage("GET", f"/v1/receipts/{receipt_id}/verify")["valid"] is True


def test_every_decision_of_the_comment_exists(client: RelyntClient) -> None:
    allowed = client.request_action("update_deal", "crm:deal:1", {"amount": 1})
    denied = client.request_action("delete_deal", "crm:deal:1")
    pending = closing(client)
    decisions = [result.decision for result in (allowed, denied, pending)]
    assert decisions == ["allow", "deny", "pending_approval"]
    assert denied.reason and denied.tool_response is None and denied.approval_id is None
    assert pending.approval_id and pending.tool_response is None
    assert all(result.policy_version for result in (allowed, denied, pending))


@pytest.mark.parametrize(("decision", "status"), [("approve", "approved"), ("deny", "denied")])
def test_handling_approvals(
    capsys: pytest.CaptureFixture[str],
    gateway: RealGateway,
    client: RelyntClient,
    decision: str,
    status: str,
) -> None:
    result = closing(client)
    assert result.decision == "pending_approval"
    person = gateway.decide_next(decision)
    names = run("02_handling_approvals.py", client=client, result=result)
    person.join()
    printed, decided_by = capsys.readouterr().out.splitlines()
    assert printed == status
    assert printed in ("approved", "denied", "expired")
    kind, _, who = decided_by.partition(":")
    assert kind in ("slack", "user") and who
    approval: ApprovalResult = names["approval"]
    assert approval.decided_at is not None
    assert bool(approval.tool_response) == (status == "approved")


def test_async_support(
    capsys: pytest.CaptureFixture[str],
    gateway: RealGateway,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with TunnelProxy(gateway.address, tls=authority.server(HOST)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        run("03_async_support.py", os=os)
    assert capsys.readouterr().out == "allow\n"
    assert [request.path for request in proxy.asked] == [f"{HOST}:443"]


def test_idempotency(client: RelyntClient) -> None:
    first: ActionResult = run("04_idempotency.py", client=client)["result"]
    second: ActionResult = run("04_idempotency.py", client=client)["result"]
    assert second.replayed
    assert (second.receipt_id, second.tool_response) == (first.receipt_id, first.tool_response)


def errors(client: RelyntClient, call: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Runs the snippet on error handling; only the literal `...` is replaced."""
    handled: list[str] = []
    text = source("05_error_handling.py")
    for replacement in ("**call", "handled.append('authentication')", "handled.append('network')"):
        text = text.replace("...", replacement, 1)
    assert "..." not in text
    names = run("05_error_handling.py", text, client=client, call=call, handled=handled)
    return handled, names


def test_error_handling(
    capsys: pytest.CaptureFixture[str], gateway: RealGateway, client: RelyntClient
) -> None:
    handled, names = errors(client, DEAL)
    assert handled == [] and names["result"].decision == "allow"
    wrong = RelyntClient(gateway.base_url, gateway.agent_secret[:-1] + "!")
    assert errors(wrong, DEAL)[0] == ["authentication"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nobody = RelyntClient(f"http://127.0.0.1:{port}", gateway.agent_secret, max_retries=0)
    assert errors(nobody, DEAL)[0] == ["network"]
    assert issubclass(names["NetworkError"], Exception) and names["NetworkError"] is NetworkError
    assert capsys.readouterr().out == ""
    handled, _ = errors(client, {"action": "", "resource": "r"})
    assert handled == []
    assert capsys.readouterr().out == "400 bad_request\n"
    errors(client, {**DEAL, "idempotency_key": "reused"})
    errors(client, {**DEAL, "resource": "crm:deal:9", "idempotency_key": "reused"})
    assert capsys.readouterr().out == "409 conflict\n"
