"""What a call raises. No message, repr or field ever holds the agent secret."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._types import ActionResult, ApprovalResult


class RelyntError(Exception):
    """Base of every error that the gateway or the way to it causes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    kind: type[RelyntError], args: tuple[Any, ...], fields: dict[str, Any]
) -> RelyntError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


class _Refusal(RelyntError):
    """An HTTP answer that is not a result.

    Attributes:
        status_code: The HTTP status.
        code: The gateway's code for programs, such as ``"conflict"``; ``"http_<status>"`` if
            the answer carried none, ``"invalid_answer"`` for a 200 that is not a result.
        detail: The gateway's explanation for people.
        request_id: The request's id in the gateway's log.
        receipt_id: The signed receipt that the call left, if it left one.
        body: The body, if it was a JSON object.
    """

    status_code: int
    code: str
    detail: str | None
    request_id: str | None
    receipt_id: str | None
    body: dict[str, Any] | None

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str,
        detail: str | None = None,
        request_id: str | None = None,
        receipt_id: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.receipt_id = receipt_id
        self.body = body


class AuthenticationError(_Refusal):
    """401 or 403: the agent secret is missing, wrong, revoked or expired, or the agent is
    disabled."""


class RequestError(_Refusal):
    """Any other answer that is not a result: a bad request (4xx), a conflict, a policy that
    could not be evaluated, a connector that failed (502 ``connector_error``), or a server
    error that lasted through all retries."""


class NetworkError(RelyntError):
    """There was no usable HTTP answer: the gateway is unreachable, or took too long.

    Whether the gateway acted is not known. Repeating the call with the same key is safe.

    Attributes:
        idempotency_key: The key of the call; ``None`` for a look at an approval.
    """

    idempotency_key: str | None

    def __init__(self, message: str, *, idempotency_key: str | None = None) -> None:
        super().__init__(message)
        self.idempotency_key = idempotency_key


class ApprovalTimeoutError(RelyntError):
    """Nobody decided within ``timeout_ms``. The approval stays open; poll again with its id.

    Attributes:
        approval_id: The approval.
    """

    approval_id: str

    def __init__(self, message: str, *, approval_id: str) -> None:
        super().__init__(message)
        self.approval_id = approval_id


class ActionDenied(RelyntError):
    """A guarded function was not run, because it is not, or no longer, allowed.

    Attributes:
        result: What the gateway said.
    """

    result: ActionResult | ApprovalResult

    def __init__(self, message: str, *, result: ActionResult | ApprovalResult) -> None:
        super().__init__(message)
        self.result = result


class ApprovalPending(ActionDenied):
    """A guarded function was not run, because a person has to approve it first and the guard
    does not wait.

    Attributes:
        approval_id: What to poll.
    """

    @property
    def approval_id(self) -> str | None:
        return self.result.approval_id


class AlreadyExecuted(RelyntError):
    """A guarded function was not run, because the gateway's connector carried the action out.

    Attributes:
        result: What the gateway said, with the connector's ``tool_response``.
    """

    result: ActionResult | ApprovalResult

    def __init__(self, message: str, *, result: ActionResult | ApprovalResult) -> None:
        super().__init__(message)
        self.result = result
