"""From what Python says to what JSON can say, with the path of whatever it cannot."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TypeGuard

# Beyond, neighbouring integers are the same double: policy and target could read two numbers.
_LARGEST = 2**53 - 1
_DEEPEST = 64
_INFINITY = float("inf")


class _Fault(Exception):
    """Travels up to where the whole path is known."""

    def __init__(self, kind: type[Exception], text: str) -> None:
        super().__init__()
        self.kind = kind
        self.text = text
        self.path: list[str] = []


def convert(payload: object) -> dict[str, Any] | None:
    """The payload as a JSON object of plain values, all of them fresh.

    Raises:
        TypeError: something in it has no JSON form; the message names its path.
        ValueError: a number or text in it cannot be sent as it is; the message names its path.
    """
    if payload is None:
        return None
    try:
        value = _value(payload, 1)
    except _Fault as fault:
        path = "".join(reversed(fault.path))
        kind, text = fault.kind, fault.text
    else:
        if _is_object(value):
            return value
        path, kind, text = "", TypeError, f"{_name(payload)} is not a JSON object"
    raise kind(f"payload{path}: {text}")


def _value(value: Any, depth: int) -> Any:
    kind = _kind(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        if -_LARGEST <= value <= _LARGEST:
            return value
        raise _Fault(
            ValueError,
            "integers beyond ±(2**53 - 1) cannot be sent as a number; send a string",
        )
    if kind is float:
        if value == value and value not in (_INFINITY, -_INFINITY):
            return value
        raise _Fault(ValueError, "NaN and Infinity are not JSON")
    if depth > _DEEPEST:
        raise _Fault(ValueError, f"nested more than {_DEEPEST} levels deep, or in itself")
    if kind is dict:
        return _object(value.items(), depth)
    if kind is list or kind is tuple:
        return _array(value, depth)
    return _other(value, depth)


def _kind(value: object) -> type[object]:
    return type(value)


def _object(items: Iterable[tuple[object, object]], depth: int) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    count = 0
    for key, item in items:
        name = key if type(key) is str else _key(key)
        try:
            converted[name] = _value(item, depth + 1)
        except _Fault as fault:
            fault.path.append(f".{name}" if name.isidentifier() else f"[{name!r}]")
            raise
        count += 1
    if count != len(converted):
        raise _Fault(ValueError, "two keys are the same text")
    return converted


def _array(items: Iterable[object], depth: int) -> list[Any]:
    converted: list[Any] = []
    for item in items:
        try:
            converted.append(_value(item, depth + 1))
        except _Fault as fault:
            fault.path.append(f"[{len(converted)}]")
            raise
    return converted


def _key(key: Any) -> str:
    if _is(key, "enum", "Enum"):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    raise _Fault(TypeError, f"a key is {_name(key)}, not str")


def _other(value: Any, depth: int) -> Any:
    if _is(value, "enum", "Enum"):
        return _value(value.value, depth + 1)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return _value(int.__index__(value), depth)
    if isinstance(value, float):
        return _value(float.__float__(value), depth)
    if _is_array(value):
        return _array(value, depth)
    if _is_mapping(value):
        return _object(value.items(), depth)
    if _is(value, "decimal", "Decimal"):
        if not value.is_finite():
            raise _Fault(ValueError, "NaN and Infinity are not JSON")
        # A plain decimal string: exact, and the policy reads it as the number that it is.
        return format(value, "f")
    if _is(value, "datetime", "datetime"):
        return value.isoformat()
    if _is(value, "uuid", "UUID"):
        return str(value)
    dataclasses = sys.modules.get("dataclasses")
    is_instance = not isinstance(value, type)
    if dataclasses is not None and is_instance and dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return _object([(field.name, getattr(value, field.name)) for field in fields], depth)
    raise _Fault(TypeError, f"{_name(value)} has no JSON form")


def _is(value: object, module: str, name: str) -> bool:
    """Whether it is of a type whose module is not imported for that: if nothing else has, there
    is no such value."""
    found = sys.modules.get(module)
    return found is not None and isinstance(value, getattr(found, name))


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    from collections.abc import Mapping

    return isinstance(value, Mapping)


def _is_array(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    return isinstance(value, (list, tuple))


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _name(value: object) -> str:
    return type(value).__qualname__


def find_surrogate(value: object, path: str) -> str | None:
    """The path of a text that is not Unicode, in converted values."""
    if isinstance(value, str):
        return path if any("\ud800" <= c <= "\udfff" for c in value) else None
    pairs: list[tuple[str, object]] = []
    if _is_object(value):
        for key, item in value.items():
            if find_surrogate(key, "key"):
                return f"{path}[{key!r}]"
            name = f".{key}" if key.isidentifier() else f"[{key!r}]"
            pairs.append((name, item))
    elif _is_array(value):
        pairs = [(f"[{index}]", item) for index, item in enumerate(value)]
    for name, item in pairs:
        found = find_surrogate(item, path + name)
        if found:
            return found
    return None
