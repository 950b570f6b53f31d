"""Bytes to the core, and results or errors out of what it hands back."""

from __future__ import annotations

import json

from ._errors import (
    ApprovalTimeoutError,
    AuthenticationError,
    NetworkError,
    RelyntError,
    RequestError,
)
from ._payload import convert, find_surrogate
from ._types import ActionResult, ApprovalResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

    from ._native import _Answered

_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode
_decode = json.JSONDecoder().decode

# The first member of what the core hands back.
_ANSWER = 0
_BROKEN = 1


def encode_call(action: str, resource: str, payload: object, instance_id: str) -> bytes:
    """The body of a tool call."""
    for name, text in (
        ("action", action),
        ("resource", resource),
        ("instance_id", instance_id),
    ):
        if not isinstance(text, str):
            raise TypeError(f"{name} must be a str, not {type(text).__qualname__}")
    call = {
        "action": action,
        "instance_id": instance_id,
        "payload": convert(payload),
        "resource": resource,
    }
    try:
        return _encode(call).encode()
    except UnicodeEncodeError:
        # Not chained: that error carries the whole text.
        place = (find_surrogate(call, "") or ".payload")[1:]
    raise ValueError(f"{place}: a lone surrogate is not Unicode text")


def action_result(answered: _Answered, key: str) -> ActionResult:
    """The result of a tool call, or the exception for it."""
    outcome, status, _, replayed, body, _ = answered
    if outcome != _ANSWER or status != 200:
        raise _failure(answered, key)
    members = _members(body)
    if members is not None:
        decision, receipt_id = members.get("decision"), members.get("receipt_id")
        if (
            decision
            and receipt_id
            and isinstance(decision, str)
            and isinstance(receipt_id, str)
        ):
            return ActionResult(
                decision=decision,
                receipt_id=receipt_id,
                approval_id=_text(members, "approval_id"),
                tool_response=_object(members, "tool_response"),
                reason=_text(members, "reason"),
                risk_level=_text(members, "risk_level"),
                policy_version=_text(members, "policy_version"),
                performed_by=_text(members, "performed_by"),
                valid_until=_text(members, "valid_until"),
                execution=_object(members, "execution"),
                replayed=replayed,
            )
    raise _invalid(answered, members, "`decision` or `receipt_id`")


def approval_result(answered: _Answered, approval_id: str) -> ApprovalResult:
    """The result of waiting for an approval, or the exception for it."""
    outcome, status, request_id, _, body, _ = answered
    if outcome not in (_ANSWER, _BROKEN):
        error = ApprovalTimeoutError(
            f"approval {approval_id} was not decided in time", approval_id=approval_id
        )
        raise error from _last_failure(answered)
    if outcome != _ANSWER or status != 200:
        raise _failure(answered, None)
    members = _members(body)
    state = _text(members, "status") if members is not None else None
    if members is None or not state:
        raise _invalid(answered, members, "`status`")
    receipt_id = _text(members, "final_receipt_id") or _text(members, "receipt_id")
    execution = _object(members, "execution")
    if execution is not None and execution.get("status") in ("failed", "unknown"):
        # A program that only looks at `status` must not believe in a write that did not happen.
        detail = f"approved, but the execution's status is {execution['status']}"
        raise RequestError(
            f"502 connector_error: {detail}",
            status_code=502,
            code="connector_error",
            detail=detail,
            request_id=request_id,
            receipt_id=receipt_id,
            body=members,
        )
    revision = members.get("revision")
    return ApprovalResult(
        status="denied" if state == "cancelled" else state,
        decided_by=_text(members, "decided_by"),
        decided_at=_text(members, "decided_at"),
        approval_id=_text(members, "approval_id") or approval_id,
        revision=revision if type(revision) is int else None,
        note=_text(members, "note"),
        receipt_id=receipt_id,
        performed_by=_text(members, "performed_by"),
        valid_until=_text(members, "valid_until"),
        blocked_by=_text(members, "blocked_by"),
        execution=execution,
        tool_response=_object(members, "tool_response"),
    )


def _failure(answered: _Answered, key: str | None) -> RelyntError:
    outcome, status, header_id, _, body, text = answered
    if outcome == _BROKEN:
        return NetworkError(text, idempotency_key=key)
    members = _members(body) or {}
    code = _text(members, "code") or f"http_{status}"
    detail = _text(members, "detail") or _text(members, "title")
    kind = AuthenticationError if status in (401, 403) else RequestError
    return kind(
        f"{status} {code}: {detail}" if detail else f"{status} {code}",
        status_code=status,
        code=code,
        detail=detail,
        request_id=_text(members, "request_id") or header_id,
        receipt_id=_text(members, "receipt_id"),
        body=members or None,
    )


def _last_failure(answered: _Answered) -> RelyntError | None:
    _, status, request_id, replayed, body, text = answered
    if status:
        return _failure((_ANSWER, status, request_id, replayed, body, text), None)
    return NetworkError(text) if text else None


def _invalid(answered: _Answered, members: dict[str, Any] | None, missing: str) -> RequestError:
    _, status, request_id, _, _, _ = answered
    detail = f"the answer has no {missing}"
    return RequestError(
        f"{status} invalid_answer: {detail}",
        status_code=status,
        code="invalid_answer",
        detail=detail,
        request_id=request_id,
        body=members,
    )


def _members(body: bytes) -> dict[str, Any] | None:
    try:
        value = _decode(body.decode())
    except (ValueError, RecursionError):
        return None
    return value if _is_object(value) else None


def _text(members: dict[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None


def _object(members: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = members.get(name)
    return value if _is_object(value) else None


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
