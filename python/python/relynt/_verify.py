"""Offline verification of receipts and exports."""

from __future__ import annotations

import json
import os

from . import _native
from ._types import Fault, Verification

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Document = str | bytes | Mapping[str, Any] | os.PathLike[str]


def verify(
    document: Document,
    *,
    keys: Document | None = None,
    key_ids: Iterable[str] = (),
) -> Verification:
    """Verifies a receipt or an export without asking the gateway.

    Trust is yours to give: without ``keys`` or ``key_ids`` the verdict is never ``"valid"``.

    Args:
        document: One receipt, as JSON text or as the dict that was fetched; an export, as JSON
            Lines; or a path object that names a file with either.
        keys: The public keys to trust: a JWK set as the gateway serves it at
            ``/.well-known/relynt-keys.json``, in the same forms.
        key_ids: Ids of keys to trust (RFC 7638 thumbprints), wherever the keys come from.

    Raises:
        ValueError: ``keys`` or ``key_ids`` cannot be used. A bad document is not an error but
            a verdict.
        OSError: a file cannot be read.
    """
    key_sets = [] if keys is None else [_bytes(keys)]
    if isinstance(key_ids, str):
        raise TypeError("key_ids must be an iterable of str, not one str")
    ids = list(key_ids)
    if isinstance(document, os.PathLike):
        found = _native.verify_file(os.fspath(document), key_sets, ids)
    else:
        found = _native.verify_bytes(_bytes(document), key_sets, ids)
    verdict, valid, consistent, invalid, faults = found
    return Verification(
        verdict, valid, consistent, invalid, tuple(Fault(*fault) for fault in faults)
    )


def _bytes(document: Document) -> bytes:
    if isinstance(document, bytes):
        return document
    if isinstance(document, str):
        # What is not Unicode is no JSON either: let that be the verdict.
        return document.encode(errors="surrogatepass")
    if isinstance(document, os.PathLike):
        with open(document, "rb") as file:
            return file.read()
    return json.dumps(dict(document), ensure_ascii=False).encode(errors="surrogatepass")
