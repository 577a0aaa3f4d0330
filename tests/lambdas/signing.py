"""KMS as far as signatures need it, with a real key of P-256, and a bucket that remembers its objects."""

import io
import tarfile
from datetime import UTC, datetime

from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

KEY = "arn:aws:kms:us-east-1:123456789012:key/0a1b"
BUCKET = "artifacts"


def refusal(operation, code, message=""):
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def packed(files, before=""):
    """model.tar.gz of these contents by their paths, each with something before it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(before + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class Kms:
    """Sign, Verify and DescribeKey of one key, which is newer than any package unless a test says when it was made."""

    def __init__(self, made=datetime(2100, 1, 1, tzinfo=UTC)):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.made = made

    def sign(self, *, KeyId, Message, MessageType, SigningAlgorithm):  # noqa: N803
        assert (KeyId, MessageType, SigningAlgorithm) == (KEY, "DIGEST", "ECDSA_SHA_256")
        return {"Signature": self._key.sign(Message, ec.ECDSA(utils.Prehashed(hashes.SHA256())))}

    def verify(self, *, KeyId, Message, MessageType, Signature, SigningAlgorithm):  # noqa: N803
        assert (KeyId, MessageType, SigningAlgorithm) == (KEY, "DIGEST", "ECDSA_SHA_256")
        try:
            self._key.public_key().verify(Signature, Message, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        except InvalidSignature:
            raise refusal("Verify", "KMSInvalidSignatureException") from None
        return {"SignatureValid": True}

    def describe_key(self, *, KeyId):  # noqa: N803
        assert KeyId == KEY
        return {"KeyMetadata": {"CreationDate": self.made}}

    def pem(self):
        """The public key, as GetPublicKey answers it but for the armour."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


class Artifacts:
    """GetObject and PutObject of one bucket."""

    def __init__(self):
        self.objects = {}

    def get_object(self, *, Bucket, Key):  # noqa: N803
        assert Bucket == BUCKET
        if Key not in self.objects:
            raise refusal("GetObject", "NoSuchKey")
        return {"Body": io.BytesIO(self.objects[Key])}

    def put_object(self, *, Bucket, Key, Body, ContentType):  # noqa: N803
        assert (Bucket, ContentType) == (BUCKET, "application/json")
        self.objects[Key] = Body

    def flip(self, key, at=None):
        """Change one bit of one byte of an object."""
        content = bytearray(self.objects[key])
        content[len(content) // 2 if at is None else at] ^= 1
        self.objects[key] = bytes(content)
