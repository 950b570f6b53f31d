"""The snippets of the documentation, and where each stands in its text."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path

HERE = Path(__file__).parent
COPY = HERE.parents[2] / "docs" / "seed" / "python-sdk.txt"

# File, the words before its snippet, the words behind.
SNIPPETS = (
    ("01_quick_start.py", "Quick start\n", "Handling approvals\n"),
    ("02_handling_approvals.py", "wait for the decision:\n", "Async support\n"),
    ("03_async_support.py", "have async variants:\n", "Idempotency\n"),
    ("04_idempotency.py", "duplicate processing:\n", "Error handling\n"),
    ("05_error_handling.py", "typed exceptions:\n", "API reference\n"),
)

_LAYOUT = {
    tokenize.ENCODING,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.NEWLINE,
    tokenize.NL,
    tokenize.ENDMARKER,
}


def source(name: str) -> str:
    """A snippet as it is run."""
    return (HERE / name).read_text(encoding="utf-8")


def original(before: str, behind: str) -> str:
    """A snippet as the documentation has it, without its indentation."""
    text = COPY.read_text(encoding="utf-8")
    if text.count(before) != 1 or text.count(behind) != 1:
        raise LookupError(f"{before!r} and {behind!r} do not stand there once each")
    return text[text.index(before) + len(before) : text.index(behind)]


def tokens(text: str) -> list[tuple[str, str]]:
    """Kind and text of every token but those that only lay the text out."""
    return [
        (tokenize.tok_name[token.exact_type], token.string.rstrip())
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in _LAYOUT
    ]
