"""Which interpreter this is. Only the main one can hold the core: its threads, signals and exit
belong to the process."""

from __future__ import annotations

import _thread


def is_main() -> bool:
    """Whether this is the process's main interpreter."""
    check = getattr(_thread, "_is_main_interpreter", None)
    if check is not None:
        return bool(check())
    # Before Python 3.12.
    import importlib

    try:
        interpreters = importlib.import_module("_xxsubinterpreters")
    except ImportError:
        return True
    return bool(interpreters.get_current() == interpreters.get_main())
