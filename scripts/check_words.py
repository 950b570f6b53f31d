"""The repository speaks of the product alone: no traces of where and how it was written, no dead links."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each pattern with what to write instead.
WORDS = {
    r"(?<![\w.:/-])/(work|farm|root|home|Users)/[A-Za-z0-9_.-]+": "a path of one machine: make it relative",
    r"\b(this|next|previous|last|earlier) session\b": "a session of work: say what the product does",
    r"\bissue #?\d+\b|(?<![\w&])#\d{1,4}\b(?![-\w])": "a number of a tracker: say it in words",
    r"\b(mission|common) brief\b|\bhelper session\b": "how the work was shared out",
    r"https?://[\w.-]*(pypi\.org/simple|index\.crates\.io|registry\.npmjs)": "a registry's address",
}
# The one copied text, and files that tools write.
EXEMPT = {"docs/seed/python-sdk.txt", "scripts/check_words.py", "LICENSE"}
LOCK = "Cargo.lock"
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def tracked() -> list[str]:
    """Everything that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return sorted({name for name in listed.stdout.splitlines() if (ROOT / name).is_file()})


def words(name: str, text: str) -> list[str]:
    if name == LOCK:
        sources = re.findall(r'^source = "([^"]*)"', text, re.MULTILINE)
        return [f"{name}: `{source}` is not the public registry" for source in {*sources} - {REGISTRY}]
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, advice in WORDS.items():
            found += [f"{name}:{number}: `{hit[0]}`: {advice}" for hit in re.finditer(pattern, line, re.IGNORECASE)]
    return found


def links(name: str, text: str) -> list[str]:
    """Relative links that lead nowhere; anchors have to be headings of their page."""
    found = []
    for link in LINK.findall(re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        if not page.exists():
            found.append(f"{name}: the link `{link}` leads nowhere")
        elif anchor and page.suffix == ".md" and anchor not in anchors(page.read_text("utf-8")):
            found.append(f"{name}: the link `{link}` names no heading")
    return found


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ +(.+?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def main() -> int:
    faults = []
    for name in tracked():
        if name in EXEMPT:
            continue
        try:
            text = (ROOT / name).read_text("utf-8")
        except UnicodeDecodeError:
            continue
        faults += words(name, text)
        if name.endswith(".md"):
            faults += links(name, text)
    for fault in faults:
        print(fault)
    print(f"words and links: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
