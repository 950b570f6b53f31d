"""The snippets are the documentation's own, token for token."""

from __future__ import annotations

import ast
import tokenize

import pytest
from snippets import COPY, HERE, SNIPPETS, original, source, tokens


@pytest.mark.parametrize(("name", "before", "behind"), SNIPPETS)
def test_tokens_are_the_same_in_the_same_order(name: str, before: str, behind: str) -> None:
    ours, theirs = tokens(source(name)), tokens(original(before, behind))
    assert ours == theirs
    assert len(ours) > 10


@pytest.mark.parametrize(("name", "before", "behind"), SNIPPETS)
def test_only_layout_was_added(name: str, before: str, behind: str) -> None:
    def lines(text: str) -> list[str]:
        return [line.strip() for line in text.splitlines()]

    assert lines(source(name)) == lines(original(before, behind))
    ast.parse(source(name))


def test_every_snippet_is_there() -> None:
    assert sorted(path.name for path in HERE.glob("[0-9]*.py")) == [name for name, _, _ in SNIPPETS]
    # What is left of the documentation when the snippets are taken out is no Python.
    rest = COPY.read_text(encoding="utf-8")
    for _, before, behind in SNIPPETS:
        rest = rest.replace(original(before, behind), "")
    for word in ("import ", "await ", "print(", "client = "):
        assert word not in rest


def test_a_changed_token_would_be_seen() -> None:
    name, before, behind = SNIPPETS[0]
    for old, new in (("52000", "52001"), ("# ", "# x"), ("client.", "client ."), ("os", "so")):
        changed = source(name).replace(old, new, 1)
        same = tokens(changed) == tokens(original(before, behind))
        assert same == (new == "client .")
    assert tokenize.COMMENT in {
        getattr(tokenize, kind) for kind, _ in tokens(source(name)) if kind == "COMMENT"
    }
