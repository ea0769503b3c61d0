"""Verifies and makes signatures with securesystemslib: nothing of CAVRA's.

    interop.py verify PUBLIC.pem FILE BUNDLE        the bundle that cavra made
    interop.py envelope PRIVATE.pem FILE PREDICATE  a DSSE envelope, on standard output
"""

import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def verify(public, file, bundle):
    with open(public, "rb") as f:
        key = SSlibKey.from_crypto(load_pem_public_key(f.read()))
    with open(file, "rb") as f:
        data = f.read()
    with open(bundle) as f:
        document = json.load(f)
    assert document["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json", document["mediaType"]
    digest = hashlib.sha256(data)
    if "messageSignature" in document:
        message = document["messageSignature"]
        assert message["messageDigest"]["algorithm"] == "SHA2_256"
        assert base64.b64decode(message["messageDigest"]["digest"]) == digest.digest()
        signature = base64.b64decode(message["signature"]).hex()
        key.verify_signature(Signature(key.keyid, signature), data)
        print("message")
        return
    wire = document["dsseEnvelope"]
    # The library knows keys by ids of its own.
    wire["signatures"][0]["keyid"] = key.keyid
    envelope = Envelope.from_dict(wire)
    envelope.verify([key], 1)
    assert envelope.payload_type == PAYLOAD_TYPE
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"][0]["digest"]["sha256"] == digest.hexdigest()
    print(json.dumps(statement["predicate"], sort_keys=True))


def envelope(private, file, predicate):
    with open(private, "rb") as f:
        signer = CryptoSigner(load_pem_private_key(f.read(), None))
    with open(file, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": file, "digest": {"sha256": digest}}],
        "predicateType": "urn:cavra:statement:artifact:v1",
        "predicate": json.loads(predicate),
    }
    made = Envelope(json.dumps(statement).encode(), PAYLOAD_TYPE, {})
    made.sign(signer)
    print(json.dumps(made.to_dict()))


if __name__ == "__main__":
    {"verify": verify, "envelope": envelope}[sys.argv[1]](*sys.argv[2:])
