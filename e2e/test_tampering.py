"""Receipts cannot be changed without its being seen, and the database refuses to try."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway import Gateway
from target import Target
from world import Organization, rule

FIELDS = """schema event receipt_id previous_receipt_id created_at organization_id agent_id credential_id
instance_id action resource verdict decision reason risk_level policy_version policy_digest rule_id performed_by
valid_until request_hash response_hash connector execution approval_id revision approvers grant_id
idempotency_key effect_hash facts_hash key_id signature""".split()


def canonical(value: Any) -> bytes:
    """RFC 8785 for what a receipt holds: ASCII keys, texts, small integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def receipts(organization: Organization, target: Target) -> list[str]:
    """Ids of at least two receipts more than there are fields, of every kind."""
    organization.policy(rule("act", "allow"), rule("do", "allow"), rule("ask", "require_approval"), rule("*", "deny"))
    organization.connector(target.url("/ok"), action="do")
    agent = organization.agent()
    for number in range(len(FIELDS) // 3 + 2):
        agent.call("do", payload={"n": number})
        agent.call("forbidden", payload={"n": number})
        agent.call("act", payload={"n": number})
    approval_id = agent.call("ask").json["approval_id"]
    organization.decide(approval_id, "approve")
    organization.final(approval_id)
    return [receipt["receipt_id"] for receipt in organization.receipts(f"&agent_id={agent.id}")]


def database(gateway: Gateway) -> sqlite3.Connection:
    return sqlite3.connect(gateway.data / "relynt.db", isolation_level=None)


def layout(connection: sqlite3.Connection) -> tuple[list[str], str]:
    """The columns of `receipts`, and the one that holds the signed bytes."""
    columns = [row[1] for row in connection.execute("PRAGMA table_info(receipts)")]
    row = connection.execute("SELECT * FROM receipts ORDER BY 1 DESC LIMIT 1").fetchone()
    holding = [
        name for name, value in zip(columns, row, strict=True) if isinstance(value, bytes) and value.startswith(b"{")
    ]
    assert len(holding) == 1, holding
    return columns, holding[0]


def stored(connection: sqlite3.Connection) -> dict[str, bytes]:
    """The signed bytes of every receipt by its id."""
    _, column = layout(connection)
    rows = [bytes(row[0]) for row in connection.execute(f"SELECT {column} FROM receipts")]
    return {json.loads(row)["receipt_id"]: row for row in rows}


def drop_triggers(connection: sqlite3.Connection) -> None:
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')


def altered(value: Any, field: str) -> Any:
    """Another value that the field might have had."""
    if isinstance(value, bool) or value is None:
        return "2026-01-01T00:00:00.000Z" if field == "valid_until" else "019b0000-0000-7000-8000-000000000000"
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [*value, *value] or None
    if isinstance(value, dict):
        key = sorted(value)[0]
        return value | {key: altered(value[key], key)}
    # Not at the very end: the last character of a signature has bits that mean nothing.
    at = len(value) // 2
    return value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]


def rewrite(connection: sqlite3.Connection, old: bytes, change: Callable[[dict[str, Any]], bytes]) -> None:
    """Put something else in the place of these signed bytes."""
    _, column = layout(connection)
    changed = connection.execute(f"UPDATE receipts SET {column} = ? WHERE {column} = ?", (change(json.loads(old)), old))
    assert changed.rowcount == 1


def test_every_receipt_is_its_canonical_form_signed_by_a_published_key(
    gateway: Gateway, organization: Organization, receipts: list[str]
) -> None:
    """Checked with other tools: a JSON library and an Ed25519 library."""
    jwks = gateway.ask("GET", "/.well-known/relynt-keys.json").json["keys"]
    keys = {jwk["kid"]: Ed25519PublicKey.from_public_bytes(from_unpadded(jwk["x"])) for jwk in jwks}
    for jwk in jwks:
        thumbprint = hashlib.sha256(canonical({name: jwk[name] for name in ("crv", "kty", "x")})).digest()
        assert jwk["kid"] == unpadded(thumbprint)
    for receipt_id in receipts:
        answer = organization.owner.get(f"/v1/receipts/{receipt_id}")
        receipt = answer.json
        assert sorted(receipt) == sorted(FIELDS)
        assert answer.body == canonical(receipt), "served byte for byte as it was signed"
        scheme, _, signature = receipt["signature"].partition(":")
        assert scheme == "ed25519"
        unsigned = {name: value for name, value in receipt.items() if name != "signature"}
        keys[receipt["key_id"]].verify(from_unpadded(signature), canonical(unsigned))
        with pytest.raises(InvalidSignature):
            keys[receipt["key_id"]].verify(from_unpadded(signature), canonical(unsigned | {"reason": "another"}))


def test_a_receipt_with_any_one_field_altered_in_the_database_is_not_valid(
    gateway: Gateway, organization: Organization, receipts: list[str]
) -> None:
    untouched, *victims = receipts
    gateway.stop()
    with database(gateway) as connection:
        drop_triggers(connection)
        old = stored(connection)
        kinds = {receipt_id: json.loads(text) for receipt_id, text in old.items()}
        # Each field is altered in a receipt of its own, one that has a value there if any has.
        chosen: dict[str, str] = {}
        for field in FIELDS:
            free = [victim for victim in victims if victim not in chosen.values()]
            chosen[field] = next((victim for victim in free if kinds[victim][field] is not None), free[0])

            def change(receipt: dict[str, Any], field: str = field) -> bytes:
                return canonical(receipt | {field: altered(receipt[field], field)})

            rewrite(connection, old[chosen[field]], change)
    connection.close()
    gateway.start()
    verified = organization.owner.must(200, "GET", f"/v1/receipts/{untouched}/verify")
    assert (verified["valid"], verified["reason"]) == (True, None)
    for field, receipt_id in chosen.items():
        verified = organization.owner.must(200, "GET", f"/v1/receipts/{receipt_id}/verify")
        assert verified["valid"] is False, field
        assert verified["reason"], field
        assert "failed" in verified["checks"].values(), field


def test_other_forgeries_in_the_database_are_not_valid_either(
    gateway: Gateway, organization: Organization, receipts: list[str]
) -> None:
    stranger = Ed25519PrivateKey.generate()
    raw = stranger.public_key().public_bytes_raw()
    thumbprint = unpadded(hashlib.sha256(canonical({"crv": "Ed25519", "kty": "OKP", "x": unpadded(raw)})).digest())

    def resigned(receipt: dict[str, Any]) -> bytes:
        unsigned = {name: value for name, value in receipt.items() if name != "signature"} | {"key_id": thumbprint}
        return canonical(unsigned | {"signature": "ed25519:" + unpadded(stranger.sign(canonical(unsigned)))})

    forgeries: dict[str, Callable[[dict[str, Any]], bytes]] = {
        "signed again with another key": resigned,
        "a space more": lambda receipt: canonical(receipt).replace(b'":', b'": ', 1),
        "a field more": lambda receipt: canonical(receipt | {"zz": 1}),
        "a field less": lambda receipt: canonical({key: receipt[key] for key in FIELDS if key != "grant_id"}),
        "not JSON": lambda receipt: b"{",
        "a padded signature": lambda receipt: canonical(receipt | {"signature": receipt["signature"] + "=="}),
    }
    gateway.stop()
    with database(gateway) as connection:
        drop_triggers(connection)
        old = stored(connection)
        for receipt_id, change in zip(receipts, forgeries.values(), strict=False):
            rewrite(connection, old[receipt_id], change)
    connection.close()
    gateway.start()
    for receipt_id, name in zip(receipts, forgeries, strict=False):
        verified = organization.owner.must(200, "GET", f"/v1/receipts/{receipt_id}/verify")
        assert verified["valid"] is False, name


def test_an_indexed_column_that_says_something_else_than_the_receipt_is_found(
    gateway: Gateway, organization: Organization, receipts: list[str]
) -> None:
    gateway.stop()
    with database(gateway) as connection:
        drop_triggers(connection)
        columns, signed = layout(connection)
        old = stored(connection)
        victims: dict[str, str] = {}
        for column, receipt_id in zip(
            [name for name in columns if name not in (signed, "seq", "organization", "id")], receipts, strict=False
        ):
            (value,) = connection.execute(
                f"SELECT {column} FROM receipts WHERE {signed} = ?", (old[receipt_id],)
            ).fetchone()
            if isinstance(value, int):
                other: Any = value + 1
            elif isinstance(value, bytes):
                other = bytes([value[0] ^ 1]) + value[1:]
            elif isinstance(value, str):
                other = value + "x"
            else:
                other = bytes(16)
            try:
                connection.execute(f"UPDATE receipts SET {column} = ? WHERE {signed} = ?", (other, old[receipt_id]))
            except sqlite3.IntegrityError:
                continue
            victims[column] = receipt_id
    connection.close()
    assert len(victims) >= 3, victims
    gateway.start()
    for column, receipt_id in victims.items():
        verified = organization.owner.must(200, "GET", f"/v1/receipts/{receipt_id}/verify")
        assert verified["valid"] is False, column
        assert verified["checks"]["columns"] == "failed", column


@pytest.mark.parametrize("table", ["receipts", "admin_records"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET {column} = {column}",
        "DELETE FROM {table}",
        "REPLACE INTO {table} SELECT * FROM {table} LIMIT 1",
        "INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1",
        "INSERT OR IGNORE INTO {table} SELECT * FROM {table} LIMIT 1",
        "UPDATE OR REPLACE {table} SET {column} = {column}",
    ],
)
def test_the_database_refuses_to_change_replace_or_delete_signed_records(
    gateway: Gateway, organization: Organization, table: str, statement: str
) -> None:
    organization.agent().call("forbidden")
    gateway.stop()
    with database(gateway) as connection:
        before = connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
        assert before
        column = connection.execute(f"PRAGMA table_info({table})").fetchall()[-1][1]
        with pytest.raises(sqlite3.DatabaseError):
            connection.execute(statement.format(table=table, column=column))
        assert connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() == before
    connection.close()
