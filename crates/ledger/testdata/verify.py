"""Checks an export of Relynt receipts: verify.py EXPORT TRUSTED_KEY_ID..."""
import base64, hashlib, json, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def unbase64(text):
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    assert base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text, "not the one text"
    return raw


def canonical(value):
    # RFC 8785 for what a record holds: integers, and keys without characters above U+FFFF.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def unique(pairs):
    assert len(dict(pairs)) == len(pairs), "a key occurs twice"
    return dict(pairs)


def thumbprint(jwk):
    members = canonical({name: jwk[name] for name in ("crv", "kty", "x")})
    return base64.urlsafe_b64encode(hashlib.sha256(members).digest()).rstrip(b"=").decode()


def check(line, keys):
    record = json.loads(line, object_pairs_hook=unique)
    assert canonical(record) == line, "not canonical"
    unsigned = {name: value for name, value in record.items() if name != "signature"}
    scheme, _, signature = record["signature"].partition(":")
    assert scheme == "ed25519", "another signature scheme"
    keys[record["key_id"]].verify(unbase64(signature), canonical(unsigned))
    digest = hashlib.sha256(line).hexdigest()
    leaf = hashlib.sha256(b"\0" + f"{record['schema']} sha256:{digest}".encode()).hexdigest()
    return record.get("receipt_id") or record["record_id"], leaf


keys, failed = {}, False
for line in open(sys.argv[1], "rb").read().splitlines():
    if b'"signature"' not in line:
        for jwk in json.loads(line)["keys"]:
            assert jwk["kid"] == thumbprint(jwk), "kid is not the thumbprint"
            if jwk["kid"] in sys.argv[2:]:
                keys[jwk["kid"]] = Ed25519PublicKey.from_public_bytes(unbase64(jwk["x"]))
        continue
    try:
        print("valid", *check(line, keys))
    except (AssertionError, InvalidSignature, KeyError, ValueError) as error:
        print("INVALID", type(error).__name__, error)
        failed = True
sys.exit(failed)
