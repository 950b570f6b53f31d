"""Functions that run only if the gateway allows it."""

from __future__ import annotations

import copy
import datetime
import functools
import inspect

from ._errors import ActionDenied, AlreadyExecuted, ApprovalPending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, TypeVar

    from ._client import Payload, RelyntClient
    from ._types import ActionResult, ApprovalResult

    P = ParamSpec("P")
    R = TypeVar("R")


def guard(
    client: RelyntClient,
    action: str,
    resource: str | Callable[..., str],
    payload: Payload | Callable[..., Payload | None] | None,
    wait: bool,
    timeout_ms: int,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """See :meth:`RelyntClient.guard`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("a generator acts after it was asked for, and cannot be guarded")
        signature = inspect.signature(function)

        def prepare(args: Any, kwargs: Any) -> tuple[inspect.BoundArguments, str, Any]:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            _copy(bound, strict=payload is None)
            target = resource(*bound.args, **bound.kwargs) if callable(resource) else resource
            if payload is None:
                asked: Any = _named(bound)
            elif callable(payload):
                asked = payload(*bound.args, **bound.kwargs)
            else:
                asked = payload
            return bound, target, asked

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def async_guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
                bound, target, asked = prepare(args, kwargs)
                result = await client.async_request_action(action, target, asked)
                permit: ActionResult | ApprovalResult = result
                if _needs_person(result, wait):
                    permit = await client.async_poll_approval(result.approval_id, timeout_ms)
                _admit(permit)
                return await function(*bound.args, **bound.kwargs)

            return async_guarded  # type: ignore[return-value]

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            bound, target, asked = prepare(args, kwargs)
            result = client.request_action(action, target, asked)
            permit: ActionResult | ApprovalResult = result
            if _needs_person(result, wait):
                permit = client.poll_approval(result.approval_id, timeout_ms)
            _admit(permit)
            return function(*bound.args, **bound.kwargs)

        return guarded

    return decorate


def _copy(bound: inspect.BoundArguments, *, strict: bool) -> None:
    """Puts copies in the place of the arguments, so that what is approved is what is done.

    Where the payload is built apart from the arguments, these may be handles that cannot be
    copied; such a one is passed on as it is.
    """
    for name, value in bound.arguments.items():
        if name in ("self", "cls"):
            continue
        try:
            bound.arguments[name] = copy.deepcopy(value)
        except Exception:
            if strict:
                kind = type(value).__qualname__
                raise TypeError(f"argument {name!r}: {kind} cannot be copied") from None


def _named(bound: inspect.BoundArguments) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            for key, item in value.items():
                if key in named:
                    raise TypeError(f"argument {key!r} is given twice")
                named[key] = item
        elif name not in ("self", "cls"):
            named[name] = value
    return named


def _needs_person(result: ActionResult, wait: bool) -> bool:
    """Whether to go on and wait for an approval."""
    if result.decision != "pending_approval":
        return False
    if not wait or not result.approval_id:
        raise ApprovalPending(
            f"approval {result.approval_id} is pending: {result.reason}", result=result
        )
    return True


def _admit(permit: ActionResult | ApprovalResult) -> None:
    """Returns only if the agent itself may act, and still may."""
    decision = getattr(permit, "decision", None) or getattr(permit, "status", None)
    if decision not in ("allow", "approved"):
        why = getattr(permit, "reason", None) or getattr(permit, "blocked_by", None)
        raise ActionDenied(f"{decision}: {why}" if why else f"{decision}", result=permit)
    if permit.performed_by == "gateway":
        raise AlreadyExecuted("the gateway executed the action", result=permit)
    if permit.performed_by != "agent":
        raise ActionDenied("the gateway does not say that the agent acts", result=permit)
    if permit.valid_until is not None and not _is_ahead(permit.valid_until):
        raise ActionDenied(f"allowed only until {permit.valid_until}", result=permit)


def _is_ahead(instant: str) -> bool:
    """Whether a time of the gateway is still to come; what cannot be read is not."""
    try:
        until = datetime.datetime.fromisoformat(instant.replace("Z", "+00:00"))
        return datetime.datetime.now(datetime.timezone.utc) < until
    except (ValueError, TypeError):
        return False
