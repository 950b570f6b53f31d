"""Fixtures. Every test that asks the gateway runs twice: synchronously and asynchronously."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import trustme
from fake_gateway import FakeGateway
from real_gateway import RealGateway
from relynt import ActionResult, ApprovalResult, RelyntClient

SECRET = "rly_dGVzdHRlc3R0ZXN0dGVzdA_s3cr3t-c4n4ry-0123456789abcdefghijklmn_ABCDEF"
HOST = "your-relynt-instance"
VARIABLES = (
    "RELYNT_API_BASE_URL",
    "RELYNT_AGENT_SECRET",
    "RELYNT_AGENT_ID",
    "RELYNT_ORG_ID",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUEST_METHOD",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own configuration."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def fake() -> Iterator[FakeGateway]:
    with FakeGateway() as gateway:
        yield gateway


class Caller:
    """Asks in one of the two ways."""

    def __init__(self, way: Literal["sync", "async"]) -> None:
        self.way = way

    def request(self, client: RelyntClient, *args: Any, **options: Any) -> ActionResult:
        if not args:
            args = ("update_deal", "crm:deal:123")
        if self.way == "sync":
            return client.request_action(*args, **options)
        return asyncio.run(client.async_request_action(*args, **options))

    def poll(self, client: RelyntClient, *args: Any, **options: Any) -> ApprovalResult:
        if self.way == "sync":
            return client.poll_approval(*args, **options)
        return asyncio.run(client.async_poll_approval(*args, **options))


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


def connect(fake: FakeGateway, **options: Any) -> RelyntClient:
    """A client of the fake."""
    return RelyntClient(fake.url, SECRET, **options)


class Authority:
    """A certificate authority of the tests' own."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.file))

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*(names or ("127.0.0.1", HOST))).configure_cert(context)
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealGateway]:
    """The real gateway, as `relynt dev` starts it. Without its binary tests fail."""
    root = Path(__file__).resolve().parents[2]
    binary = Path(os.environ.get("RELYNT_BIN") or root / "target" / "demo" / "relynt")
    with RealGateway(binary, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="session")
def python() -> str:
    """The interpreter for child processes."""
    return sys.executable
