"""The package is typed, strictly, and says so."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import relynt
from relynt import ActionResult, ApprovalResult, Fault, RelyntClient, Verification

ROOT = Path(__file__).resolve().parents[1]


def check(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_is_content() -> None:
    check("mypy", "--strict", "--no-incremental", "python/relynt", "tests/typing_public.py")


def test_pyright_is_content() -> None:
    check("pyright", "python/relynt", "tests/typing_public.py")


def test_stubs_of_the_core_match_it() -> None:
    check("mypy.stubtest", "relynt._native", "--ignore-missing-stub")


def test_package_says_that_it_is_typed() -> None:
    assert relynt.__file__ is not None
    assert Path(relynt.__file__).with_name("py.typed").exists()


def test_everything_public_is_documented() -> None:
    for name in relynt.__all__:
        value = getattr(relynt, name)
        if not inspect.isclass(value):
            continue
        assert inspect.getdoc(value), name
        for member, function in inspect.getmembers(value, callable):
            if not member.startswith("_") and function.__qualname__.startswith(name):
                assert inspect.getdoc(function), f"{name}.{member}"


def test_documented_fields_are_the_fields() -> None:
    for kind in (ActionResult, ApprovalResult, Fault, Verification):
        attributes = inspect.cleandoc(kind.__doc__ or "").split("Attributes:\n")[1]
        documented = [
            line.strip().split(":")[0]
            for line in attributes.splitlines()
            if line.startswith(" " * 4) and not line.startswith(" " * 5)
        ]
        assert documented == list(kind.__dataclass_fields__)


def test_signatures_are_the_documented_ones() -> None:
    signature = inspect.signature(RelyntClient)
    assert str(signature) == (
        "(base_url: 'str', agent_secret: 'str', *, timeout_s: 'float' = 30.0, "
        "max_retries: 'int' = 2, instance_id: 'str | None' = None) -> 'None'"
    )
    for sync, asynchronous in (
        (RelyntClient.request_action, RelyntClient.async_request_action),
        (RelyntClient.poll_approval, RelyntClient.async_poll_approval),
    ):
        assert inspect.signature(sync) == inspect.signature(asynchronous)
        assert inspect.iscoroutinefunction(asynchronous)
    assert (
        inspect.signature(RelyntClient.poll_approval).parameters["timeout_ms"].default
        == 300_000
    )
