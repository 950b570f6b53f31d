"""What may be a payload, how it is sent, and how what may not be is named."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import pytest
from conftest import connect
from fake_gateway import FakeGateway, Talk

LARGEST = 2**53 - 1


class Stage(enum.Enum):
    WON = "closed_won"


class Level(enum.IntEnum):
    HIGH = 3


class Color(str, enum.Enum):
    RED = "red"


class Nested(enum.Enum):
    PAIR = (1, Stage.WON)


class Text(str):
    def __str__(self) -> str:
        return "something else"


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Line:
    sku: str
    price: Decimal


@dataclass(frozen=True)
class Order:
    stage: Stage
    lines: list[Line] = field(default_factory=list[Line])


class Deal(TypedDict):
    amount: int


def sent(fake: FakeGateway, payload: Any) -> Any:
    with connect(fake) as client:
        client.request_action("a", "r", payload)
    return fake.requests[-1].json()["payload"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ('ümläut \U0001f600 \u2028 \x00 "\\', 'ümläut \U0001f600 \u2028 \x00 "\\'),
        (True, True),
        (False, False),
        (None, None),
        (0, 0),
        (LARGEST, LARGEST),
        (-LARGEST, -LARGEST),
        (1.5, 1.5),
        (-0.0, 0),
        (1e300, 1e300),
        (5e-324, 5e-324),
        ([], []),
        ((1, "b", None), [1, "b", None]),
        ({}, {}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Point(1, 2), [1, 2]),
        (Decimal("52000.10"), "52000.10"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.000000001"), "-0.000000001"),
        (datetime(2026, 1, 2, 3, 4, 5, 600, timezone.utc), "2026-01-02T03:04:05.000600+00:00"),
        (
            datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-02T00:00:00+02:00",
        ),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),
        (
            UUID("0192D000-0000-7000-8000-000000000001"),
            "0192d000-0000-7000-8000-000000000001",
        ),
        (Stage.WON, "closed_won"),
        (Level.HIGH, 3),
        (Color.RED, "red"),
        (Nested.PAIR, [1, "closed_won"]),
        (Text("text"), "text"),
        ({Color.RED: 1, Stage.WON: 2, Text("t"): 3}, {"red": 1, "closed_won": 2, "t": 3}),
        (
            Order(Stage.WON, [Line("a", Decimal("1.50"))]),
            {"stage": "closed_won", "lines": [{"sku": "a", "price": "1.50"}]},
        ),
    ],
)
def test_values_are_sent_as_json_says_them(
    fake: FakeGateway, value: object, expected: object
) -> None:
    received = sent(fake, {"value": value})["value"]
    assert received == expected
    assert type(received) is type(expected) or value == 0


def test_payload_may_be_a_dataclass_a_typed_dict_or_nothing(fake: FakeGateway) -> None:
    assert sent(fake, Line("a", Decimal(1))) == {"sku": "a", "price": "1"}
    deal: Deal = {"amount": 1}
    assert sent(fake, deal) == {"amount": 1}
    assert sent(fake, None) is None
    assert sent(fake, {}) == {}


def test_every_number_keeps_its_value(fake: FakeGateway) -> None:
    numbers = [0.1, 1 / 3, math.pi, 1e21, 1e22, 123456789012345680.0, 2.0**1000, 4.35]
    assert sent(fake, {"numbers": numbers})["numbers"] == numbers
    text = fake.requests[-1].body.decode()
    assert "NaN" not in text and "Infinity" not in text


@pytest.mark.parametrize(
    ("payload", "kind", "path"),
    [
        ({"a": float("nan")}, ValueError, "payload.a: "),
        ({"a": [1, float("inf")]}, ValueError, "payload.a[1]: "),
        ({"a": {"b-c": -math.inf}}, ValueError, "payload.a['b-c']: "),
        ({"a": Decimal("NaN")}, ValueError, "payload.a: "),
        ({"a": Decimal("-Infinity")}, ValueError, "payload.a: "),
        ({"a": 2**53}, ValueError, "payload.a: "),
        ({"a": [{"b": -(2**53)}]}, ValueError, "payload.a[0].b: "),
        ({"a": 10**400}, ValueError, "payload.a: "),
        ({"a": {1, 2}}, TypeError, "payload.a: set "),
        ({"a": b"bytes"}, TypeError, "payload.a: bytes "),
        ({"a": object()}, TypeError, "payload.a: object "),
        ({"a": [0, 1j]}, TypeError, "payload.a[1]: complex "),
        ({"a": Line}, TypeError, "payload.a: type "),
        ({"a": Line("x", object())}, TypeError, "payload.a.price: object "),  # type: ignore[arg-type]
        ({1: "a"}, TypeError, "payload: a key is int"),
        ({"a": {None: 1}}, TypeError, "payload.a: a key is NoneType"),
        ({"a": {Level.HIGH: 1}}, TypeError, "payload.a: a key is int"),
        ({"a": {Color.RED: 1, "red": 2}}, ValueError, None),
        ({"a": {Stage.WON: 1, "closed_won": 2}}, ValueError, "payload.a: two keys"),
        ({"a": "\ud800"}, ValueError, "payload.a: "),
        ({"a": [{"b": "x\udfff"}]}, ValueError, "payload.a[0].b: "),
        ({"a\ud800": 1}, ValueError, "payload['a\\ud800']: "),
        ([1], TypeError, "payload: list is not a JSON object"),
        ("text", TypeError, "payload: str "),
        (7, TypeError, "payload: int "),
        (Stage.WON, TypeError, "payload: Stage "),
    ],
)
def test_what_json_cannot_say_is_named_and_not_sent(
    fake: FakeGateway, payload: Any, kind: type[Exception], path: str | None
) -> None:
    if path is None:
        # Equal and of equal hash: Python itself keeps one of the two.
        assert sent(fake, payload) == {"a": {"red": 2}}
        return
    with connect(fake) as client, pytest.raises(kind) as caught:
        client.request_action("a", "r", payload)
    assert str(caught.value).startswith(path)
    assert fake.connections == 0


def test_values_are_not_shown_in_the_message(fake: FakeGateway) -> None:
    class Odd:
        def __repr__(self) -> str:
            return "canary"

    with connect(fake) as client:
        for bad in (Odd(), "canary\ud800", {"x": Odd()}):
            with pytest.raises((TypeError, ValueError)) as caught:
                client.request_action("a", "r", {"a": bad})
            assert "canary" not in str(caught.value) + repr(caught.value)
            assert caught.value.__cause__ is None


def test_payload_that_holds_itself_is_refused(fake: FakeGateway) -> None:
    loop: dict[str, Any] = {}
    loop["self"] = [loop]
    with connect(fake) as client, pytest.raises(ValueError, match="nested"):
        client.request_action("a", "r", loop)


def test_nesting_up_to_the_limit_is_sent(fake: FakeGateway) -> None:
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"a": deep}
    assert sent(fake, deep) == deep
    for _ in range(10):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="nested"):
        sent(fake, deep)


def test_payload_is_read_before_the_call_begins(fake: FakeGateway) -> None:
    payload = {"amount": 1}

    def change_and_allow(talk: Talk) -> None:
        payload["amount"] = 2
        fake.default(talk)

    fake.say(change_and_allow)
    with connect(fake) as client:
        client.request_action("a", "r", payload)
    assert json.loads(fake.requests[0].body)["payload"] == {"amount": 1}


@pytest.mark.parametrize("value", [None, 1, b"a", ["a"]])
def test_action_and_resource_must_be_text(fake: FakeGateway, value: Any) -> None:
    with connect(fake) as client:
        with pytest.raises(TypeError, match="action"):
            client.request_action(value, "r")
        with pytest.raises(TypeError, match="resource"):
            client.request_action("a", value)
        if value is not None:
            with pytest.raises(TypeError, match="instance_id"):
                client.request_action("a", "r", instance_id=value)
    assert fake.connections == 0


def test_lone_surrogates_outside_the_payload_are_named(fake: FakeGateway) -> None:
    with connect(fake) as client:
        for position, name in enumerate(["action", "resource", "instance_id"]):
            values = ["a", "r", "i"]
            values[position] = "\ud800"
            with pytest.raises(ValueError, match=name):
                client.request_action(values[0], values[1], instance_id=values[2])


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX-Evil: 1", "ä", "\x7f", "k" * 256])
def test_keys_that_could_break_the_header_are_refused(fake: FakeGateway, key: str) -> None:
    with connect(fake) as client, pytest.raises(ValueError, match="idempotency_key"):
        client.request_action("a", "r", idempotency_key=key)
    assert fake.connections == 0


def test_key_is_sent_verbatim(fake: FakeGateway) -> None:
    for key in ('"quoted"', "k" * 255, "!~,;="):
        with connect(fake) as client:
            client.request_action("a", "r", idempotency_key=key)
        assert fake.keys()[-1] == key
