"""The gateway's own OpenAPI document, and whether an answer is what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from wire import Answer

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
PROBLEM = "application/problem+json"
_NAME = "urn:openapi"
_FORMATS = FormatChecker(formats=())
# What is served beside the described operations: the document itself and the front page.
UNDESCRIBED = {"/", "/openapi.json"}


@_FORMATS.checks("uuid")
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or bool(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", value)
    )


@_FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value):
        return False
    datetime.fromisoformat(value[:-1])
    return True


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    described: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def secured(self) -> bool:
        return bool(self.described.get("security"))


class Document:
    def __init__(self, text: Any) -> None:
        assert text["openapi"].startswith("3.1."), text["openapi"]
        self.text = text
        self.operations = [
            Operation(method.upper(), path, item[method])
            for path, item in text["paths"].items()
            for method in METHODS
            if method in item
        ]
        self._paths = [
            (re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))), path)
            for path in sorted(text["paths"], key=lambda path: path.count("{"))
        ]
        resource = DRAFT202012.create_resource(text)
        self._registry: Registry[Any] = Registry().with_resource(_NAME, resource)
        self._validators: dict[str, Draft202012Validator] = {}

    def _validator(self, pointer: str) -> Draft202012Validator:
        if pointer not in self._validators:
            self._validators[pointer] = Draft202012Validator(
                {"$ref": f"{_NAME}#{pointer}"}, registry=self._registry, format_checker=_FORMATS
            )
        return self._validators[pointer]

    def find(self, method: str, target: str) -> Operation | None:
        """The operation that a request belongs to."""
        path = target.partition("?")[0]
        for pattern, template in self._paths:
            if pattern.fullmatch(path):
                return next((o for o in self.operations if (o.method, o.path) == (method, template)), None)
        return None

    def check(self, method: str, target: str, answer: Answer) -> None:
        """Fail unless the answer is one that the document describes."""
        said = f"{method} {target} answered {answer.status} {answer.body[:2000]!r}"
        assert answer.header("X-Request-Id"), f"no X-Request-Id: {said}"
        operation = self.find(method, target)
        if operation is None:
            if answer.status >= 400:
                self.check_problem(answer, said)
            else:
                path = target.partition("?")[0]
                assert path in UNDESCRIBED or method in ("HEAD", "OPTIONS"), f"not in the document: {said}"
            return
        responses = operation.described["responses"]
        status = str(answer.status)
        assert status in responses, f"status not in the document: {said}"
        described = responses[status]
        pointer = f"/paths/{_escape(operation.path)}/{operation.method.lower()}/responses/{status}"
        if "$ref" in described:
            pointer = described["$ref"].removeprefix("#")
            described = self._at(pointer)
        content = described.get("content")
        if not content:
            assert answer.body == b"", f"a body that the document does not have: {said}"
            return
        assert answer.media_type in content, f"media type {answer.media_type!r} is not in the document: {said}"
        if answer.media_type.endswith("json"):
            self._validate(f"{pointer}/content/{_escape(answer.media_type)}/schema", answer, said)
        if answer.status >= 400 and answer.media_type == PROBLEM:
            self.check_problem(answer, said)

    def check_problem(self, answer: Answer, said: str) -> None:
        assert answer.media_type == PROBLEM, f"an error that is no problem document: {said}"
        self._validate("/components/schemas/Problem", answer, said)
        assert answer.json["status"] == answer.status, said
        # A replay is the first answer byte for byte, the id of the first request included.
        if answer.header("Idempotency-Replayed") is None:
            assert answer.json["request_id"] == answer.header("X-Request-Id"), said
        assert answer.json["type"].endswith("#" + answer.json["code"]), said

    def _validate(self, pointer: str, answer: Answer, said: str) -> None:
        faults = [f"{fault.json_path}: {fault.message}" for fault in self._validator(pointer).iter_errors(answer.json)]
        assert not faults, f"{said}\nis not what the document says at {pointer}:\n" + "\n".join(faults[:10])

    def _at(self, pointer: str) -> Any:
        found = self.text
        for part in pointer.split("/")[1:]:
            found = found[part.replace("~1", "/").replace("~0", "~")]
        return found

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema that a reference stands for, null as an alternative left out."""
        while True:
            choices = [one for one in schema.get("oneOf", []) if one.get("type") != "null"]
            if "$ref" in schema:
                schema = self._at(schema["$ref"].removeprefix("#"))
            elif len(choices) == 1:
                schema = choices[0]
            else:
                return schema


def _escape(part: str) -> str:
    # Inside a URI fragment: JSON Pointer's escapes, and the braces of path templates as percent codes.
    escaped = part.replace("~", "~0").replace("/", "~1")
    return escaped.replace("{", "%7B").replace("}", "%7D")
