"""A proxy between a client and the gateway that ends the client's connection at a chosen step."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from types import TracebackType

from wire import Address


@dataclass(frozen=True)
class CutAt:
    """Where the connection ends: so many bytes of the request go through, then so many of the answer.

    None means all of them. `reset`: by RST instead of FIN.
    """

    request_bytes: int | None = None
    answer_bytes: int | None = None
    reset: bool = False


class FaultProxy:
    """Takes one connection at a time and forwards it to the gateway until the cut."""

    def __init__(self, gateway: Address, cut: CutAt) -> None:
        self._gateway = gateway
        self._cut = cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: Address = self._listener.getsockname()[:2]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._listener.close()
        self._thread.join(timeout=30)

    def _serve(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        # Either side may go first; what came through is what counts.
        with contextlib.suppress(ConnectionError), client, socket.create_connection(self._gateway) as gateway:
            if self._forward(client, gateway, self._cut.request_bytes):
                self._forward(gateway, client, self._cut.answer_bytes)
            for side in (client, gateway):
                if self._cut.reset:
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _forward(self, source: socket.socket, sink: socket.socket, limit: int | None) -> bool:
        """Forward one message, or its first `limit` bytes; true when the message went through whole."""
        if limit == 0:
            return False
        sent = b""
        while not _whole(sent):
            data = source.recv(65536)
            if not data:
                return False
            if limit is not None:
                data = data[: limit - len(sent)]
            sink.sendall(data)
            sent += data
            if limit is not None and len(sent) >= limit:
                return False
        return True


def _whole(message: bytes) -> bool:
    head, mark, body = message.partition(b"\r\n\r\n")
    if not mark:
        return False
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
    return True
