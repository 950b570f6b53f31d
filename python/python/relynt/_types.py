"""What a call returns."""

from __future__ import annotations

import dataclasses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class ActionResult:
    """What the gateway decided and, where a connector acted, what came of it.

    Attributes:
        decision: ``"allow"``, ``"deny"`` or ``"pending_approval"``. Anything else is not an
            allow.
        receipt_id: UUID of the signed receipt.
        approval_id: What to poll, for ``"pending_approval"``.
        tool_response: The connector's response, if one executed the action.
        reason: Which rule decided, and why.
        risk_level: ``"low"``, ``"medium"`` or ``"high"``.
        policy_version: The policy version that decided, such as ``"v3"``.
        performed_by: Who carries out an allowed action: ``"gateway"`` or ``"agent"``.
        valid_until: Until when the agent may act on an allow that it performs itself (ISO 8601).
        execution: The execution, when a connector was called.
        replayed: Whether this is the stored answer of an earlier call with the same key.
    """

    decision: str
    receipt_id: str
    approval_id: str | None = None
    tool_response: dict[str, Any] | None = None
    reason: str | None = None
    risk_level: str | None = None
    policy_version: str | None = None
    performed_by: str | None = None
    valid_until: str | None = None
    execution: dict[str, Any] | None = None
    replayed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """A copy as a dict, nested values copied too."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class ApprovalResult:
    """What came of an approval.

    Attributes:
        status: ``"approved"``, ``"denied"`` or ``"expired"``. A cancelled approval is
            ``"denied"``, with ``blocked_by``.
        decided_by: Who decided, such as ``"slack:U12345"``; ``None`` when it expired.
        decided_at: When (ISO 8601).
        approval_id: The approval.
        revision: The revision of the request that was decided on.
        note: What the approver wrote.
        receipt_id: UUID of the final signed receipt.
        performed_by: Who carries out the approved action: ``"gateway"`` or ``"agent"``.
        valid_until: Until when the agent may act on an approval that it performs itself
            (ISO 8601).
        blocked_by: Why it was cancelled.
        execution: The execution, when a connector was called.
        tool_response: The connector's response, if one executed the action.
    """

    status: str
    decided_by: str | None = None
    decided_at: str | None = None
    approval_id: str | None = None
    revision: int | None = None
    note: str | None = None
    receipt_id: str | None = None
    performed_by: str | None = None
    valid_until: str | None = None
    blocked_by: str | None = None
    execution: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """A copy as a dict, nested values copied too."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """Why a record is not valid.

    Attributes:
        line: Its line in an export, from 1; ``None`` for a document that is one record.
        receipt_id: Its id, if that could be read.
        reason: What does not hold.
    """

    line: int | None
    receipt_id: str | None
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Verification:
    """What offline verification found.

    Checked are the form of every record, its signature and its key; not that none is missing.

    Attributes:
        verdict: ``"valid"``: every record is signed by a key that you named. ``"consistent"``:
            every signature holds, but for some the key came with the document itself, so that
            anybody may have signed it. ``"invalid"``: a record does not hold, or there is none.
        valid: Records signed by a key that you named.
        consistent: Records signed by a key that only the document brings.
        invalid: Records that do not hold, and lines that are nothing known.
        faults: Why, for the first 100.
    """

    verdict: str
    valid: int
    consistent: int
    invalid: int
    faults: tuple[Fault, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether every record is signed by a key that you named."""
        return self.verdict == "valid"
