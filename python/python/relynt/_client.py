"""The client."""

from __future__ import annotations

import os
import sys
import warnings

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, ParamSpec, TypeVar

    from _typeshed import DataclassInstance
    from typing_extensions import Self

    from ._types import ActionResult, ApprovalResult

    P = ParamSpec("P")
    R = TypeVar("R")
    Payload = Mapping[str, Any] | DataclassInstance


class InsecureTransportWarning(UserWarning):
    """The agent secret crosses a network unencrypted."""


_warned: set[str] = set()


class RelyntClient:
    """A connection to the Relynt gateway for one agent.

    One client serves any number of threads and event loops, before and after a fork. It keeps
    connections open; :meth:`close`, :meth:`aclose` or a ``with`` block closes them.

    Args:
        base_url: The gateway's address, ``https://…``. Plain ``http`` to anything but this
            machine works and warns once.
        agent_secret: The agent's credential.
        timeout_s: Seconds that one attempt may take, above 0. All attempts and waits of a call
            end within ``timeout_s * (max_retries + 1) + 16`` seconds.
        max_retries: How often a call is tried again after a broken connection, 408, 429, 5xx
            (but not 501 or a failed connector) or ``request_in_progress``; always with the same
            idempotency key.
        instance_id: What distinguishes this run of the agent in receipts, 1 to 256 characters;
            default: a fresh UUID for this object.

    Raises:
        ValueError: an argument is empty or malformed.
    """

    __slots__ = ("__weakref__", "_agent_id", "_core", "_max_retries", "_org_id", "_timeout_s")

    _core: _native.Core
    _timeout_s: float
    _max_retries: int
    _agent_id: str | None
    _org_id: str | None

    def __init__(
        self,
        base_url: str,
        agent_secret: str,
        *,
        timeout_s: float = 30.0,
        max_retries: int = 2,
        instance_id: str | None = None,
    ) -> None:
        fault = _check(base_url, agent_secret, timeout_s, max_retries, instance_id)
        if fault is None:
            names = _native.ENVIRONMENT
            environment = {name: os.environ[name] for name in names if name in os.environ}
            try:
                self._core = _native.Core(
                    base_url,
                    agent_secret,
                    float(timeout_s),
                    max_retries,
                    instance_id,
                    environment,
                )
            except ValueError as error:
                fault = str(error)
            del environment
        # Whoever prints the variables of a traceback's frames must not find it here.
        del agent_secret
        if fault is not None:
            raise ValueError(fault)
        _import_ahead()
        self._timeout_s = float(timeout_s)
        self._max_retries = max_retries
        self._agent_id = os.environ.get("RELYNT_AGENT_ID") or None
        self._org_id = os.environ.get("RELYNT_ORG_ID") or None
        if self._core.is_exposed and self._core.base_url not in _warned:
            _warned.add(self._core.base_url)
            warnings.warn(
                f"{self._core.base_url} is not https: the agent secret is sent unencrypted",
                InsecureTransportWarning,
                stacklevel=2,
            )

    @classmethod
    def from_env(
        cls,
        *,
        timeout_s: float = 30.0,
        max_retries: int = 2,
        instance_id: str | None = None,
    ) -> Self:
        """A client for ``RELYNT_API_BASE_URL`` and ``RELYNT_AGENT_SECRET``.

        ``RELYNT_AGENT_ID`` and ``RELYNT_ORG_ID`` are informational: see :attr:`agent_id` and
        :attr:`org_id`.

        Raises:
            ValueError: one of the first two is not set, or malformed.
        """
        for name in ("RELYNT_API_BASE_URL", "RELYNT_AGENT_SECRET"):
            if not os.environ.get(name):
                raise ValueError(f"the environment variable {name} is not set")
        return cls(
            os.environ["RELYNT_API_BASE_URL"],
            os.environ["RELYNT_AGENT_SECRET"],
            timeout_s=timeout_s,
            max_retries=max_retries,
            instance_id=instance_id,
        )

    @property
    def base_url(self) -> str:
        """The gateway's address, without a trailing slash."""
        return self._core.base_url

    @property
    def timeout_s(self) -> float:
        """Seconds that one attempt may take."""
        return self._timeout_s

    @property
    def max_retries(self) -> int:
        """How often a call is tried again."""
        return self._max_retries

    @property
    def instance_id(self) -> str:
        """The instance id of calls that name none."""
        return self._core.instance_id

    @property
    def agent_id(self) -> str | None:
        """``RELYNT_AGENT_ID`` when this client was made. Informational."""
        return self._agent_id

    @property
    def org_id(self) -> str | None:
        """``RELYNT_ORG_ID`` when this client was made. Informational."""
        return self._org_id

    def request_action(
        self,
        action: str,
        resource: str,
        payload: Payload | None = None,
        *,
        idempotency_key: str | None = None,
        instance_id: str | None = None,
    ) -> ActionResult:
        """Asks the gateway to decide on an action and, where a connector matches, to execute it.

        Args:
            action: The operation, such as ``"update_deal"``.
            resource: The target, such as ``"crm:deal:123"``.
            payload: What the policy looks at and the target receives: a dict with ``str`` keys
                or a dataclass, nested at most 64 levels; values may be str, int, float, bool,
                None, lists, tuples, dicts, dataclasses, enums, ``datetime`` (sent as ISO 8601),
                ``UUID`` and ``Decimal`` (sent as strings).
            idempotency_key: Prevents duplicate processing: 1 to 255 visible ASCII characters.
                Default: a fresh UUID for all attempts of this call.
            instance_id: Default: the client's.

        Raises:
            AuthenticationError: 401 or 403.
            RequestError: any other refusal, and an execution that failed or whose outcome is
                unknown (502 ``connector_error``).
            NetworkError: no usable answer through all attempts.
            TypeError, ValueError: the arguments cannot be sent; nothing was sent.
        """
        from ._wire import action_result, encode_call

        core = self._core
        instance = core.instance_id if instance_id is None else instance_id
        body = encode_call(action, resource, payload, instance)
        key = _key(idempotency_key)
        return action_result(core.call(body, key), key)

    async def async_request_action(
        self,
        action: str,
        resource: str,
        payload: Payload | None = None,
        *,
        idempotency_key: str | None = None,
        instance_id: str | None = None,
    ) -> ActionResult:
        """As :meth:`request_action`, without blocking the event loop. Cancelling the task aborts
        the request; what the gateway has begun goes on."""
        from ._aio import bridge
        from ._wire import action_result, encode_call

        core = self._core
        instance = core.instance_id if instance_id is None else instance_id
        body = encode_call(action, resource, payload, instance)
        key = _key(idempotency_key)
        answered = await bridge().outcome(
            lambda completions, token: core.submit_call(completions, token, body, key)
        )
        return action_result(answered, key)

    def poll_approval(
        self, approval_id: str | None, timeout_ms: int = 300_000
    ) -> ApprovalResult:
        """Waits until a person has decided and, where a connector matches, until the action was
        executed.

        Trouble on the way (429, 5xx, broken connections) is ridden out until the deadline.

        Args:
            approval_id: From the result of :meth:`request_action`; ``None`` is a ``ValueError``.
            timeout_ms: How long to wait, in milliseconds; 0 looks once.

        Raises:
            ApprovalTimeoutError: not decided in time; the approval stays open.
            AuthenticationError: 401 or 403.
            RequestError: any other refusal, and an execution that failed or whose outcome is
                unknown (502 ``connector_error``, the approval in ``body``).
        """
        from ._wire import approval_result

        name, patience = _poll(approval_id, timeout_ms)
        return approval_result(self._core.poll(name, patience), name)

    async def async_poll_approval(
        self, approval_id: str | None, timeout_ms: int = 300_000
    ) -> ApprovalResult:
        """As :meth:`poll_approval`, without blocking the event loop."""
        from ._aio import bridge
        from ._wire import approval_result

        name, patience = _poll(approval_id, timeout_ms)
        core = self._core
        answered = await bridge().outcome(
            lambda completions, token: core.submit_poll(completions, token, name, patience)
        )
        return approval_result(answered, name)

    def guard(
        self,
        action: str,
        resource: str | Callable[..., str],
        *,
        payload: Payload | Callable[..., Payload | None] | None = None,
        wait: bool = False,
        timeout_ms: int = 300_000,
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorates a function, sync or async, that performs an action by itself: it runs only
        if the gateway allows it.

        The arguments are copied before the gateway is asked, and the function gets that copy.

        Args:
            action: The operation.
            resource: The target, or a function of the arguments that names it.
            payload: The payload, or a function of the arguments that builds it. Default: the
                arguments by name.
            wait: Whether to wait for a person where the policy asks for one.
            timeout_ms: How long, in milliseconds.

        Raises:
            ActionDenied: denied, expired, cancelled, an unknown decision, or too late to act.
            ApprovalPending: a person has to approve, and ``wait`` is false.
            AlreadyExecuted: a connector of the gateway executed the action.
            RelyntError: whatever :meth:`request_action` and :meth:`poll_approval` raise.
        """
        from ._guard import guard

        return guard(self, action, resource, payload, wait, timeout_ms)

    def close(self) -> None:
        """Closes the connections. Calls in progress end normally; later ones are a
        ``RuntimeError``. Closing twice is harmless."""
        self._core.close()

    async def aclose(self) -> None:
        """As :meth:`close`."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_max_retries"):
            # Printed from the traceback of its own failed construction.
            return "RelyntClient(?)"
        return (
            f"RelyntClient({self.base_url!r}, timeout_s={self._timeout_s!r}, "
            f"max_retries={self._max_retries!r})"
        )

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a RelyntClient cannot be pickled or copied: it holds a secret")


def _import_ahead() -> None:
    """Imports now what a call will need, rather than in the middle of one: a process that is
    forked off while another thread imports a module can never import that module."""
    from . import _wire as _wire

    if "asyncio" in sys.modules:
        from . import _aio as _aio


def _check(
    base_url: object,
    agent_secret: object,
    timeout_s: object,
    max_retries: object,
    instance_id: object,
) -> str | None:
    """What is wrong with the arguments, in words without their values."""
    if not isinstance(base_url, str) or not base_url:
        return "base_url must be a non-empty str"
    if not isinstance(agent_secret, str) or not agent_secret:
        return "agent_secret must be a non-empty str"
    if not base_url.isascii() and any("\ud800" <= c <= "\udfff" for c in base_url):
        return "base_url is not Unicode text"
    if not agent_secret.isascii():
        return "agent_secret must be ASCII"
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)):
        return "timeout_s must be a number of seconds"
    if not 0 < timeout_s <= 86_400:
        return "timeout_s must be above 0 and at most 86400 seconds"
    if isinstance(max_retries, bool) or not isinstance(max_retries, int):
        return "max_retries must be an int"
    if not 0 <= max_retries <= 100:
        return "max_retries must be from 0 to 100"
    if instance_id is not None:
        if not isinstance(instance_id, str):
            return "instance_id must be a str"
        if any("\ud800" <= c <= "\udfff" for c in instance_id):
            return "instance_id is not Unicode text"
    return None


def _key(idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return _native.uuid7()
    if not isinstance(idempotency_key, str):
        raise TypeError(
            f"idempotency_key must be a str, not {type(idempotency_key).__qualname__}"
        )
    if not idempotency_key.isascii():
        raise ValueError("idempotency_key must be 1 to 255 visible ASCII characters")
    return idempotency_key


def _poll(approval_id: str | None, timeout_ms: int) -> tuple[str, int]:
    if not approval_id:
        raise ValueError("approval_id is missing: only a pending action has one")
    if not isinstance(approval_id, str):
        raise TypeError(f"approval_id must be a str, not {type(approval_id).__qualname__}")
    if any("\ud800" <= c <= "\udfff" for c in approval_id):
        raise ValueError("approval_id is not Unicode text")
    if isinstance(timeout_ms, bool) or not isinstance(timeout_ms, int):
        raise TypeError("timeout_ms must be an int of milliseconds")
    if timeout_ms < 0:
        raise ValueError("timeout_ms must not be negative")
    return approval_id, min(timeout_ms, 2**53)
