"""The gateway's description of itself: complete, typed, and the only one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from document import Document
from gateway import Gateway


def contents(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body that the document describes, with where it stands."""
    for operation in document.operations:
        for media, described in operation.described.get("requestBody", {}).get("content", {}).items():
            yield f"{operation} request {media}", described
        for status, response in operation.described["responses"].items():
            for media, described in document.resolve(response).get("content", {}).items():
                yield f"{operation} {status} {media}", described


def test_no_operation_has_an_untyped_body(gateway: Gateway) -> None:
    document = gateway.document
    untyped = []
    for where, described in contents(document):
        if "json" not in where:
            continue
        schema = document.resolve(described.get("schema", {}))
        if schema.get("type") != "object" or not schema.get("properties"):
            untyped.append(where)
    assert untyped == []


def test_every_answer_has_every_field_always(gateway: Gateway) -> None:
    """Each object of an answer requires all its properties: absent values are null, never left out."""
    document = gateway.document
    loose: set[str] = set()

    def walk(where: str, schema: dict[str, Any], seen: frozenset[str]) -> None:
        if "$ref" in schema:
            if schema["$ref"] in seen:
                return
            where, seen = schema["$ref"], seen | {schema["$ref"]}
            schema = document.resolve(schema)
        missing = set(schema.get("properties", {})) - set(schema.get("required", []))
        if missing and not where.endswith(("/Rule", "/Route", "/Conditions", "/RuleApproval", "/MappedBody")):
            loose.add(f"{where}: {sorted(missing)}")
        for inner in schema.get("properties", {}).values():
            walk(where + ".", inner, seen)
        for inner in [*schema.get("oneOf", []), *schema.get("anyOf", []), *schema.get("allOf", [])]:
            walk(where, inner, seen)
        if isinstance(schema.get("items"), dict):
            walk(where + "[]", schema["items"], seen)

    for where, described in contents(document):
        if " request " not in where and "json" in where:
            walk(where, described.get("schema", {}), frozenset())
    assert loose == set()


def test_every_operation_describes_its_errors_and_every_reference_leads_somewhere(gateway: Gateway) -> None:
    document = gateway.document
    for operation in document.operations:
        responses = operation.described["responses"]
        assert any(status.startswith("2") for status in responses), operation
        if operation.path.startswith("/v1/"):
            assert "401" in responses, operation
        assert operation.described.get("operationId"), operation
        assert operation.described.get("summary"), operation
    names = [operation.described["operationId"] for operation in document.operations]
    assert len(set(names)) == len(names)


def test_the_front_page_names_the_version_and_links_to_documentation(gateway: Gateway) -> None:
    page = gateway.ask("GET", "/")
    assert (page.status, page.media_type) == (200, "text/html")
    text = page.body.decode()
    assert "openapi.json" in text
    assert gateway.ask("GET", "/healthz").json["version"] in text


def test_head_and_options_are_answered_sanely(gateway: Gateway) -> None:
    head = gateway.ask("HEAD", "/healthz")
    assert (head.status, head.body) == (200, b"")
    options = gateway.ask("OPTIONS", "/v1/receipts")
    assert options.status in (204, 405)
    assert "GET" in (options.header("Allow") or "")
