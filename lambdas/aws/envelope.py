"""Signatures by a KMS key, in envelopes of the Dead Simple Signing Envelope (DSSE), version 1.

Source: https://github.com/secure-systems-lab/dsse (protocol.md and envelope.md, v1.0.2, read 2026-11). KMS computes and
checks every signature; nothing here is cryptography but a SHA-256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lambdas.aws.errors import error_code

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

PAYLOAD_TYPE = "application/vnd.in-toto+json"
# Sign takes a message of at most 4,096 bytes, or the digest of one of any length, and the signature is the same
# (https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html, read 2026-11). Statements are longer.
_ALGORITHM: Final = "ECDSA_SHA_256"
_MESSAGE: Final = "DIGEST"
# Verify raises this for a signature that is not the message's, and no answer says so
# (https://docs.aws.amazon.com/kms/latest/APIReference/API_Verify.html, read 2026-11).
_INVALID = "KMSInvalidSignatureException"


class EnvelopeError(Exception):
    """An envelope that is none, or whose signature is not the key's. `str()` is a sentence without a full stop."""


@dataclass(frozen=True)
class SigningKey:
    """A KMS key of ECC_NIST_P256 that signs and verifies."""

    kms: KMSClient
    arn: str

    def seal(self, payload: bytes) -> bytes:
        """The envelope of a payload, as JSON.

        Raises:
            botocore.exceptions.ClientError: KMS refuses to sign.
        """
        answer = self.kms.sign(
            KeyId=self.arn, Message=_digest(payload), MessageType=_MESSAGE, SigningAlgorithm=_ALGORITHM
        )
        return self._written(payload, answer["Signature"])

    def unseal(self, envelope: bytes) -> bytes:
        """The payload of an envelope that this key signed.

        Which key an envelope names decides nothing: what is asked is whether this one signed it. It has to be written
        as `seal` writes it, so that no byte of it can be another.

        Raises:
            EnvelopeError: it did not, or not so.
            botocore.exceptions.ClientError: KMS refuses to verify.
        """
        payload, signature = read(envelope)
        try:
            answer = self.kms.verify(
                KeyId=self.arn,
                Message=_digest(payload),
                MessageType=_MESSAGE,
                Signature=signature,
                SigningAlgorithm=_ALGORITHM,
            )
        except Exception as error:
            if error_code(error) != _INVALID:
                raise
            raise EnvelopeError(f"its signature is not one of the key {self.arn}") from error
        if not answer["SignatureValid"]:  # an emulator's way to say so
            raise EnvelopeError(f"its signature is not one of the key {self.arn}")
        if self._written(payload, signature) != envelope:
            raise EnvelopeError("its signature holds, but around it something was changed")
        return payload

    def _written(self, payload: bytes, signature: bytes) -> bytes:
        envelope = {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": self.arn, "sig": base64.b64encode(signature).decode()}],
        }
        return json.dumps(envelope, indent=2).encode()


def read(envelope: bytes) -> tuple[bytes, bytes]:
    """Payload and signature of an envelope, unverified.

    Raises:
        EnvelopeError: it is no envelope of an in-toto statement with one signature.
    """
    try:
        document: Any = json.loads(envelope)
        (signature,) = document["signatures"]
        if document["payloadType"] != PAYLOAD_TYPE:
            raise ValueError
        return _decoded(document["payload"]), _decoded(signature["sig"])
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise EnvelopeError("it is no DSSE envelope of an in-toto statement with one signature") from error


def signed_bytes(payload: bytes) -> bytes:
    """Bytes to sign for a payload: DSSE's pre-authentication encoding, which binds the payload's type."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _digest(payload: bytes) -> bytes:
    return hashlib.sha256(signed_bytes(payload)).digest()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
