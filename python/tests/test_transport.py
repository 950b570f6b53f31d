"""TLS, certificate authorities and proxies."""

from __future__ import annotations

import warnings

import pytest
from conftest import HOST, SECRET, Authority, Caller
from fake_gateway import APPROVAL, FakeGateway, TunnelProxy, approval
from relynt import NetworkError, RelyntClient, RequestError


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


def test_authority_of_the_environment_is_trusted(trusted: Authority, caller: Caller) -> None:
    with FakeGateway(tls=trusted.server()) as fake, RelyntClient(fake.url, SECRET) as client:
        for _ in range(3):
            assert caller.request(client).decision == "allow"
        fake.say(approval())
        assert caller.poll(client, APPROVAL).status == "approved"
        assert fake.connections == 1


def test_large_bodies_cross_tls(trusted: Authority, caller: Caller) -> None:
    with FakeGateway(tls=trusted.server()) as fake, RelyntClient(fake.url, SECRET) as client:
        caller.request(client, "a", "r", {"text": "ä" * 200_000})
        assert fake.requests[0].json()["payload"]["text"] == "ä" * 200_000


def test_authority_folder_is_trusted(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, caller: Caller
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(authority.file.parent))
    with FakeGateway(tls=authority.server()) as fake, RelyntClient(fake.url, SECRET) as client:
        assert caller.request(client).decision == "allow"


def test_environment_is_read_once(
    trusted: Authority, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeGateway(tls=trusted.server()) as fake:
        client = RelyntClient(fake.url, SECRET)
        monkeypatch.delenv("SSL_CERT_FILE")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        assert caller.request(client).decision == "allow"


def test_certificate_must_name_the_host(trusted: Authority, caller: Caller) -> None:
    with FakeGateway(tls=trusted.server("other.example")) as fake:
        client = RelyntClient(fake.url, SECRET)
        with pytest.raises(NetworkError, match="TLS"):
            caller.request(client)
        assert fake.requests == []


def test_server_without_tls_is_not_spoken_to_in_clear(
    trusted: Authority, caller: Caller
) -> None:
    with FakeGateway() as fake:
        url = fake.url.replace("http:", "https:")
        client = RelyntClient(url, SECRET, max_retries=0, timeout_s=0.5)
        with pytest.raises(NetworkError):
            caller.request(client)
        assert fake.requests == []


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_authority_that_cannot_be_read_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    content: str | None,
) -> None:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(ValueError, match="SSL_CERT_FILE"):
        RelyntClient("https://gateway.example", SECRET)


def test_tunnel_leads_to_a_gateway_by_name(
    trusted: Authority, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        FakeGateway(tls=trusted.server(HOST)) as fake,
        TunnelProxy(("127.0.0.1", fake.port)) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with RelyntClient(f"https://{HOST}", SECRET) as client:
            for _ in range(2):
                assert caller.request(client).decision == "allow"
    (asked,) = proxy.asked
    assert (asked.method, asked.path) == ("CONNECT", f"{HOST}:443")
    assert "authorization" not in asked.headers
    assert fake.requests[0].headers["host"] == HOST
    assert "proxy-authorization" not in fake.requests[0].headers


def test_proxy_gets_its_credentials_and_the_gateway_does_not(
    trusted: Authority, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        FakeGateway(tls=trusted.server(HOST)) as fake,
        TunnelProxy(("127.0.0.1", fake.port), authorization="Basic dTpwQHNz") as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url.replace("://", "://u:p%40ss@"))
        with RelyntClient(f"https://{HOST}", SECRET) as client:
            assert caller.request(client).decision == "allow"
        assert "proxy-authorization" not in fake.requests[0].headers
        monkeypatch.setenv("https_proxy", proxy.url)
        with RelyntClient(f"https://{HOST}", SECRET) as client:
            with pytest.raises(NetworkError, match="407"):
                caller.request(client)
    assert len(proxy.asked) == 2


def test_proxy_that_fails_for_a_while_is_tried_again(
    trusted: Authority, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TunnelProxy(("127.0.0.1", 1), status=503) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        client = RelyntClient(f"https://{HOST}", SECRET, max_retries=1)
        with pytest.raises(NetworkError, match="503"):
            caller.request(client)
        assert len(proxy.asked) == 2


def test_plain_http_goes_through_its_proxy_in_absolute_form(
    fake: FakeGateway, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", fake.url.replace("://", "://u:p@"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = RelyntClient("http://gateway.example:8080", SECRET)
    assert caller.request(client).decision == "allow"
    (request,) = fake.requests
    assert request.path == "http://gateway.example:8080/v1/agent-tool-call"
    assert request.headers["host"] == "gateway.example:8080"
    assert request.headers["proxy-authorization"] == "Basic dTpw"


def test_exceptions_and_this_machine_are_reached_directly(
    fake: FakeGateway, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert caller.request(RelyntClient(fake.url, SECRET)).decision == "allow"
    monkeypatch.setenv("NO_PROXY", "nobody.invalid")
    client = RelyntClient("https://gateway.nobody.invalid", SECRET, max_retries=0)
    with pytest.raises(NetworkError, match="resolved"):
        caller.request(client)


def test_header_of_a_request_is_not_taken_for_a_proxy(
    fake: FakeGateway, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    monkeypatch.setenv("HTTP_PROXY", fake.url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = RelyntClient("http://gateway.invalid", SECRET, max_retries=0)
    with pytest.raises(NetworkError, match="resolved"):
        caller.request(client)
    assert fake.connections == 0


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "http://"])
def test_proxy_that_cannot_be_used_is_refused_not_bypassed(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(ValueError, match="HTTPS_PROXY"):
        RelyntClient("https://gateway.example", SECRET)


def test_407_of_a_plain_proxy_is_an_answer(
    fake: FakeGateway, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fake_gateway import answer

    fake.say(answer(407, raw=b""))
    monkeypatch.setenv("HTTP_PROXY", fake.url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = RelyntClient("http://gateway.example", SECRET)
    with pytest.raises(RequestError) as caught:
        caller.request(client)
    assert caught.value.code == "http_407"
