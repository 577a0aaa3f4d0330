"""Services behind a prediction of a DICOM file: Lambda, with the functions in this process, and the endpoint."""

import base64
import io
import json

from botocore.response import StreamingBody

from lambdas.dicom.handler import handle as convert

UPLOAD = "ab" * 16
CONVERTER, RESULT_MAKER = "cxr-dicom", "cxr-dicom-result"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/12"
SCORED = {
    "predictions": [
        {"probability": 0.93, "logit": 2.6, "label": "PNEUMONIA", "indeterminate": False}
        | {"out_of_distribution_score": 0.4}
    ],
    "model": {
        "package_arn": PACKAGE,
        "threshold": 0.42,
        "indeterminate": {"low": 0.3, "high": 0.6},
        "image_size": 220,
        "dataset_sha256": "ab" * 32,
        "engine": "tensorflow",
    },
}


def body(document):
    payload = json.dumps(document).encode()
    return StreamingBody(io.BytesIO(payload), len(payload))


class Functions:
    """Lambda. `errors` are raised, and `answers` given, instead of the function of that name."""

    def __init__(self, *, errors=None, answers=None):
        self.asked, self.events = [], []
        self.errors, self.answers = errors or {}, answers or {}

    def invoke(self, FunctionName, Payload):  # noqa: N803 - botocore's names
        self.asked.append(FunctionName)
        self.events.append(json.loads(Payload))
        if FunctionName in self.errors:
            raise self.errors[FunctionName]
        if FunctionName in self.answers:
            return self.answers[FunctionName]
        from lambdas.dicom_result.handler import handle as make_result

        handle = {CONVERTER: convert, RESULT_MAKER: make_result}[FunctionName]
        return {"Payload": body(handle(json.loads(Payload), None))}


class Bucket:
    """S3 with one upload."""

    def __init__(self, data):
        self.data = data

    def get_object(self, Bucket, Key, Range="bytes=0-"):  # noqa: N803 - botocore's names
        assert Key == f"uploads/{UPLOAD}"
        first, _, last = Range.removeprefix("bytes=").partition("-")
        data = self.data[int(first) : int(last) + 1 if last else None]
        return {"Body": io.BytesIO(data), "ContentLength": len(data)}

    def generate_presigned_url(self, operation, Params, ExpiresIn):  # noqa: N803 - botocore's names
        assert (operation, Params["Key"]) == ("get_object", f"uploads/{UPLOAD}")
        assert ExpiresIn <= 60
        return "https://bucket/signed"


class Runtime:
    """The endpoint, which takes PNG."""

    def __init__(self, **found):
        self.asked = []
        self.scored = {**SCORED, "predictions": [{**SCORED["predictions"][0], **found}]}

    def invoke_endpoint(self, **request):
        self.asked.append(request)
        return {"Body": body(self.scored)}


def posted(sent, content_type="application/dicom", **more):
    return {
        "resource": "/v1/predictions",
        "httpMethod": "POST",
        "headers": {"Content-Type": content_type},
        "body": base64.b64encode(sent).decode(),
        "isBase64Encoded": True,
        **more,
    }
