"""Between the core's thread and asyncio: one queue and one watched file per event loop."""

from __future__ import annotations

import asyncio
import weakref

from ._native import Completions, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._native import _Answered

_bridges: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Bridge]
_bridges = weakref.WeakKeyDictionary()


def bridge() -> Bridge:
    """The bridge of the running loop."""
    loop = asyncio.get_running_loop()
    found = _bridges.get(loop)
    if found is None:
        found = _bridges[loop] = Bridge(loop)
    return found


class Bridge:
    """Resolves the futures of one event loop, on its own thread.

    The core never calls into Python: a loop that is closed, or an interpreter that is gone, is
    simply not told.
    """

    __slots__ = ("_futures", "_next", "completions")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.completions = Completions()
        self._futures: dict[int, asyncio.Future[_Answered]] = {}
        self._next = 0
        try:
            loop.add_reader(self.completions.fileno(), self._drain)
        except (NotImplementedError, ValueError, OSError):
            self._watch_aside(loop)

    async def outcome(self, submit: Callable[[Completions, int], Task]) -> _Answered:
        """Starts a call and waits for it; whatever ends the wait early aborts it."""
        self._next += 1
        token = self._next
        future: asyncio.Future[_Answered] = asyncio.get_running_loop().create_future()
        task = submit(self.completions, token)
        self._futures[token] = future
        try:
            return await future
        finally:
            if self._futures.pop(token, None) is not None:
                task.abort()

    def _drain(self) -> None:
        for token, answered in self.completions.drain():
            future = self._futures.pop(token, None)
            if future is not None and not future.done():
                future.set_result(answered)

    def _watch_aside(self, loop: asyncio.AbstractEventLoop) -> None:
        """For loops that watch no files, such as the default one on Windows."""
        import threading

        def watch() -> None:
            while not loop.is_closed():
                if self.completions.wait():
                    try:
                        loop.call_soon_threadsafe(self._drain)
                    except RuntimeError:
                        return

        threading.Thread(target=watch, name="relynt-asyncio", daemon=True).start()
