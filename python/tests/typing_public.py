"""Every documented name has the documented type. Read by type checkers, never run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from relynt import (
    ActionDenied,
    ActionResult,
    AlreadyExecuted,
    ApprovalPending,
    ApprovalResult,
    ApprovalTimeoutError,
    AuthenticationError,
    Fault,
    NetworkError,
    RelyntClient,
    RelyntError,
    RequestError,
    Verification,
    verify,
)
from typing_extensions import assert_type


class Deal(TypedDict):
    amount: int


@dataclass
class Order:
    amount: int


def client_is_typed() -> None:
    client = RelyntClient(base_url="https://gateway.example", agent_secret="secret")
    assert_type(client, RelyntClient)
    RelyntClient("https://g", "s", timeout_s=5, max_retries=1, instance_id="run")
    assert_type(RelyntClient.from_env(timeout_s=1.5), RelyntClient)
    assert_type(client.base_url, str)
    assert_type(client.timeout_s, float)
    assert_type(client.max_retries, int)
    assert_type(client.instance_id, str)
    assert_type(client.agent_id, str | None)
    assert_type(client.org_id, str | None)
    assert_type(client.close(), None)
    with client as entered:
        assert_type(entered, RelyntClient)


def subclass_is_kept() -> None:
    class Mine(RelyntClient):
        pass

    assert_type(Mine.from_env(), Mine)
    with Mine.from_env() as entered:
        assert_type(entered, Mine)


def results_are_typed(client: RelyntClient) -> None:
    result = client.request_action(
        action="update_deal", resource="crm:deal:123", payload={"amount": 52000, "x": [None]}
    )
    assert_type(result, ActionResult)
    assert_type(result.decision, str)
    assert_type(result.receipt_id, str)
    assert_type(result.approval_id, str | None)
    assert_type(result.tool_response, dict[str, Any] | None)
    assert_type(result.reason, str | None)
    assert_type(result.risk_level, str | None)
    assert_type(result.policy_version, str | None)
    assert_type(result.performed_by, str | None)
    assert_type(result.valid_until, str | None)
    assert_type(result.execution, dict[str, Any] | None)
    assert_type(result.replayed, bool)
    assert_type(result.to_dict(), dict[str, Any])
    approval = client.poll_approval(approval_id=result.approval_id, timeout_ms=300_000)
    assert_type(approval, ApprovalResult)
    assert_type(approval.status, str)
    assert_type(approval.decided_by, str | None)
    assert_type(approval.decided_at, str | None)
    assert_type(approval.approval_id, str | None)
    assert_type(approval.revision, int | None)
    assert_type(approval.note, str | None)
    assert_type(approval.receipt_id, str | None)
    assert_type(approval.performed_by, str | None)
    assert_type(approval.valid_until, str | None)
    assert_type(approval.blocked_by, str | None)
    assert_type(approval.execution, dict[str, Any] | None)
    assert_type(approval.tool_response, dict[str, Any] | None)
    assert_type(approval.to_dict(), dict[str, Any])


def payloads_are_typed(client: RelyntClient) -> None:
    deal: Deal = {"amount": 1}
    client.request_action("a", "r", deal)
    client.request_action("a", "r", Order(1))
    client.request_action("a", "r", None, idempotency_key="k", instance_id="i")
    client.request_action("a", "r", [1])  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.request_action("a", "r", "text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.request_action("a")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


async def async_variants_are_typed(client: RelyntClient) -> None:
    assert_type(await client.async_request_action("a", "r", {"n": 1}), ActionResult)
    assert_type(await client.async_poll_approval("id", 0), ApprovalResult)
    assert_type(await client.aclose(), None)
    async with client as entered:
        assert_type(entered, RelyntClient)


def errors_are_typed(client: RelyntClient) -> None:
    try:
        client.request_action("a", "r")
    except (RequestError, AuthenticationError) as error:
        assert_type(error.status_code, int)
        assert_type(error.code, str)
        assert_type(error.detail, str | None)
        assert_type(error.request_id, str | None)
        assert_type(error.receipt_id, str | None)
        assert_type(error.body, dict[str, Any] | None)
    except NetworkError as error:
        assert_type(error.idempotency_key, str | None)
    except ApprovalTimeoutError as error:
        assert_type(error.approval_id, str)
    except AlreadyExecuted as error:
        assert_type(error.result, ActionResult | ApprovalResult)
    except ApprovalPending as error:
        assert_type(error.approval_id, str | None)
    except ActionDenied as error:
        assert_type(error.result, ActionResult | ApprovalResult)
    except RelyntError as error:
        assert_type(error.args, tuple[Any, ...])


def guard_keeps_signatures(client: RelyntClient) -> None:
    def name(deal: str, amount: int) -> str:
        return f"crm:deal:{deal}:{amount}"

    @client.guard("update_deal", name, wait=True)
    def act(deal: str, amount: int) -> float:
        return amount / len(deal)

    assert_type(act("d", amount=1), float)
    act("d", "1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    @client.guard("update_deal", "crm:deal:1", payload={"a": 1}, timeout_ms=5)
    async def async_act(deal: str) -> int:
        return len(deal)

    coroutine: Coroutine[Any, Any, int] = async_act("d")
    coroutine.close()
    function: Callable[[str, int], float] = act
    function("d", 1)


def results_are_frozen(result: ActionResult, approval: ApprovalResult) -> None:
    result.decision = "allow"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    approval.status = "approved"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]


def verification_is_typed(path: Path) -> None:
    found = verify(path, keys={"keys": []}, key_ids=["id"])
    assert_type(found, Verification)
    assert_type(found.verdict, str)
    assert_type(found.valid, int)
    assert_type(found.consistent, int)
    assert_type(found.invalid, int)
    assert_type(found.is_valid, bool)
    assert_type(found.faults, tuple[Fault, ...])
    assert_type(found.faults[0].line, int | None)
    assert_type(found.faults[0].receipt_id, str | None)
    assert_type(found.faults[0].reason, str)
    verify("{}")
    verify(b"{}", keys=path)
