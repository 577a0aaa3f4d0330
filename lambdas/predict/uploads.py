"""Images that were uploaded to S3 before, by a form of POST /v1/uploads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lambdas.http.problems import Problem
from lambdas.predict import image, log
from lambdas.predict.image import EncodedImage
from model_code.contract.images import DICOM_START_BYTES, is_dicom

PREFIX = "uploads/"
CONNECT_TIMEOUT_SECONDS = 0.5
READ_TIMEOUT_SECONDS = 2.0
SIGNED_SECONDS = 30


@dataclass(frozen=True)
class Uploads:
    """The uploads in a bucket. `client` makes S3's client, with one attempt and the timeouts above, on first use."""

    client: Callable[[], Any]
    bucket: str
    max_bytes: int

    def is_dicom(self, upload: str) -> bool:
        """Whether a DICOM file was uploaded under an id: they may be larger than what is fetched here.

        Raises:
            Problem: upload_not_found.
        """
        try:
            answer = self._get(upload, Range=f"bytes=0-{DICOM_START_BYTES - 1}")
        except ClientError as error:
            if error.response["Error"]["Code"] in {"InvalidRange", "416"}:  # it is empty
                return False
            raise
        return is_dicom(answer["Body"].read(DICOM_START_BYTES))

    def address(self, upload: str) -> str:
        """Presigned URL of an upload, valid for some seconds."""
        asked = {"Bucket": self.bucket, "Key": PREFIX + upload}
        return str(self.client().generate_presigned_url("get_object", Params=asked, ExpiresIn=SIGNED_SECONDS))

    def fetch(self, upload: str) -> EncodedImage:
        """The image that was uploaded under an id.

        Raises:
            Problem: upload_not_found, empty_body, image_too_large or undecodable_image.
        """
        answer = self._get(upload)
        # The form limits the size; what says so again costs nothing.
        if answer["ContentLength"] > self.max_bytes:
            raise image.too_large(answer["ContentLength"], self.max_bytes)
        return image.recognise(answer["Body"].read(), self.max_bytes)

    def _get(self, upload: str, **options: str) -> Any:
        try:
            return self.client().get_object(Bucket=self.bucket, Key=PREFIX + upload, **options)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # A role that may not list a bucket is told that it may not read what does not exist.
            if code in {"NoSuchKey", "404", "AccessDenied", "403"}:
                log.write("WARNING", "an upload could not be read", error_code=code)
                raise Problem(
                    "upload_not_found", "Nothing was uploaded under this id, or it was removed after a day."
                ) from None
            raise
