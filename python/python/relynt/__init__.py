"""Typed client for the Relynt authorization gateway, synchronous and asynchronous.

>>> import os
>>> from relynt import RelyntClient
>>> client = RelyntClient(
...     base_url=os.environ["RELYNT_API_BASE_URL"],
...     agent_secret=os.environ["RELYNT_AGENT_SECRET"],
... )  # doctest: +SKIP
>>> result = client.request_action(
...     action="update_deal", resource="crm:deal:123", payload={"amount": 52000}
... )  # doctest: +SKIP
"""

from __future__ import annotations

import atexit as _atexit

from ._interpreter import is_main as _is_main

if not _is_main():
    raise ImportError("relynt does not support subinterpreters")

from . import _native
from ._client import InsecureTransportWarning, RelyntClient
from ._errors import (
    ActionDenied,
    AlreadyExecuted,
    ApprovalPending,
    ApprovalTimeoutError,
    AuthenticationError,
    NetworkError,
    RelyntError,
    RequestError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import ActionResult, ApprovalResult, Fault, Verification
    from ._verify import verify

__version__: str = _native.VERSION

__all__ = [
    "ActionDenied",
    "ActionResult",
    "AlreadyExecuted",
    "ApprovalPending",
    "ApprovalResult",
    "ApprovalTimeoutError",
    "AuthenticationError",
    "Fault",
    "InsecureTransportWarning",
    "NetworkError",
    "RelyntClient",
    "RelyntError",
    "RequestError",
    "Verification",
    "__version__",
    "verify",
]

# A thread that waits in a call must not wake up in an interpreter that is gone.
_atexit.register(_native.exiting)


# Dataclasses take longer to import than everything else here together.
_LATER = {
    "ActionResult": "_types",
    "ApprovalResult": "_types",
    "Fault": "_types",
    "Verification": "_types",
    "verify": "_verify",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        import importlib

        value: object = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
