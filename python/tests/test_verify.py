"""Offline verification, on the vectors that Rust uses and on the real gateway's receipts."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from real_gateway import RealGateway
from relynt import Fault, RelyntClient, Verification, verify

VECTORS = Path(__file__).resolve().parents[2] / "crates" / "ledger" / "testdata"
KEYS = VECTORS / "keys.json"
EXPORT = VECTORS / "export.jsonl"
RECEIPTS = [line for line in EXPORT.read_text().splitlines() if not line.startswith('{"keys"')]
KEY_ID = json.loads(KEYS.read_text())["keys"][0]["kid"]


@pytest.mark.parametrize("receipt", RECEIPTS, ids=range(len(RECEIPTS)))
def test_receipt_is_valid_under_a_named_key_in_every_form(receipt: str, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(json.loads(receipt), indent=2))
    keys: list[Any] = [KEYS, KEYS.read_text(), KEYS.read_bytes(), json.loads(KEYS.read_text())]
    for document in (receipt, receipt.encode(), json.loads(receipt), file):
        for each in keys:
            assert verify(document, keys=each) == Verification("valid", 1, 0, 0)


def test_export_is_valid_only_if_its_key_is_named() -> None:
    count = len(RECEIPTS)
    for document in (EXPORT, EXPORT.read_text()):
        assert verify(document) == Verification("consistent", 0, count, 0)
        assert not verify(document).is_valid
        assert verify(document, keys=KEYS) == Verification("valid", count, 0, 0)
        assert verify(document, key_ids=[KEY_ID]).is_valid


def test_any_changed_field_is_invalid() -> None:
    for receipt in RECEIPTS:
        members = json.loads(receipt)
        for name, value in members.items():
            changed = {**members, name: "other" if value is None else None}
            found = verify(changed, keys=KEYS)
            assert (found.verdict, found.invalid) == ("invalid", 1), name
            assert found.faults[0].reason


def test_fault_names_line_and_receipt() -> None:
    lines = EXPORT.read_text().splitlines()
    changed = json.loads(lines[2])
    changed["reason"] = "another"
    lines[2] = json.dumps(changed, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    found = verify("\n".join(lines), keys=KEYS)
    assert (found.verdict, found.invalid, found.valid) == ("invalid", 1, len(RECEIPTS) - 1)
    (fault,) = found.faults
    assert isinstance(fault, Fault)
    assert (fault.line, fault.receipt_id) == (
        3,
        changed.get("receipt_id", changed.get("record_id")),
    )


@pytest.mark.parametrize(
    "document", ["", "{}", "[]", "nonsense", b"\xff", "\ud800", {}, "{" * 9999]
)
def test_what_is_no_receipt_is_a_verdict(document: Any) -> None:
    assert verify(document, keys=KEYS).verdict == "invalid"


def test_unknown_key_is_invalid() -> None:
    found = verify(RECEIPTS[0])
    assert found.verdict == "invalid"
    assert KEY_ID in found.faults[0].reason


@pytest.mark.parametrize(
    "keys", ["", "{}", '{"keys":[]}', "nonsense", {"keys": [{"kty": "OKP"}]}]
)
def test_keys_that_cannot_be_used_are_refused(keys: Any) -> None:
    with pytest.raises(ValueError, match="keys"):
        verify(RECEIPTS[0], keys=keys)


def test_key_ids_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="key_ids"):
        verify(RECEIPTS[0], key_ids=["x"])
    with pytest.raises(TypeError, match="key_ids"):
        verify(RECEIPTS[0], key_ids=KEY_ID)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        verify(RECEIPTS[0], keys=tmp_path / "nothing")


def test_result_is_comparable_and_picklable() -> None:
    found = verify("nonsense")
    assert pickle.loads(pickle.dumps(found)) == found


def test_receipts_of_the_real_gateway_are_valid(gateway: RealGateway) -> None:
    client = RelyntClient(gateway.base_url, gateway.agent_secret)
    keys = gateway.manage("GET", "/.well-known/relynt-keys.json")
    for action in ("update_deal", "delete_deal"):
        result = client.request_action(action, "crm:deal:1", {"amount": 1})
        receipt = gateway.manage("GET", f"/v1/receipts/{result.receipt_id}")
        assert verify(receipt, keys=keys).is_valid
        assert not verify({**receipt, "decision": "error"}, keys=keys).is_valid
