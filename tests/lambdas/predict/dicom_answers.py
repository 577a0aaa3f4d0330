"""The API that answers in DICOM, over both functions in this process and DynamoDB's tables."""

import base64
import email
import email.policy
import io
import json

from PIL import Image

from lambdas.http.answers import Answers
from lambdas.http.idempotency import Requests
from lambdas.predict.api import Api
from lambdas.predict.dicom import Dicom
from lambdas.predict.dicom_result import DicomResult
from lambdas.predict.endpoint_invocation import Model
from lambdas.predict.endpoint_status import Endpoint
from lambdas.predict.lambda_invocation import Function
from lambdas.predict.prediction import Predictions
from lambdas.predict.results import Results
from lambdas.predict.uploads import Uploads
from tests.dicom_results.radiographs import radiograph
from tests.lambdas.predict.dicom_services import CONVERTER, RESULT_MAKER, Functions, Runtime, posted
from tests.lambdas.tables import PREDICTIONS, REQUESTS

ID = "11111111-2222-4333-8444-555555555555"
DICOM, MULTIPART = "application/dicom", 'multipart/related; type="application/dicom"'


def png(image: Image.Image) -> str:
    content = io.BytesIO()
    image.save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


OVERLAY = png(Image.new("RGBA", (16, 16), (255, 0, 0, 128)))


class Service:
    """The API over both functions, with DynamoDB's tables."""

    def __init__(self, dynamodb, *, functions=None, on=True, overlay=OVERLAY, s3=None):
        self.dynamodb, self.functions = dynamodb, functions or Functions()
        self.runtime = Runtime(overlay_png=overlay)
        self.s3 = s3
        endpoint = Endpoint(client=lambda: None, name="cxr-dev")
        model = Model(self.runtime, endpoint)
        predictions = Predictions(
            model=model,
            hurried_model=lambda: model,
            max_image_bytes=4_500_000,
            dicom=Dicom(Function(lambda: self.functions, CONVERTER)),
            uploads=Uploads(lambda: self.s3, "bucket", max_bytes=1_000_000),
            results=Results(dynamodb, PREDICTIONS, 600),
            requests=Requests(dynamodb, REQUESTS, operation="predictions"),
            dicom_result=DicomResult(Function(lambda: self.functions, RESULT_MAKER)) if on else None,
        )
        self.api = Api(predictions, endpoint, Answers())

    def ask(self, content=None, *, accepted=DICOM, explain=False, key=None, content_type=DICOM, request_id=ID):
        headers = {"Content-Type": content_type, **({"Accept": accepted} if accepted else {})}
        headers |= {"Idempotency-Key": key} if key else {}
        event = posted(radiograph() if content is None else content, content_type, headers=headers)
        event |= {"queryStringParameters": {"explain": "true"} if explain else None}
        event |= {"requestContext": {"requestId": request_id, "identity": {"apiKeyId": "client"}}}
        return self.api.answer(event)


def refused(answer, status, code):
    document = json.loads(answer["body"])
    assert (answer["statusCode"], document["code"]) == (status, code)
    assert (answer["headers"]["Content-Type"], answer["isBase64Encoded"]) == ("application/problem+json", False)
    return document["detail"]


def files(answer):
    """The DICOM files of an answer, as the gateway hands them on."""
    assert answer["statusCode"] == 200, answer["body"]
    assert answer["isBase64Encoded"] is True
    content, media_type = base64.b64decode(answer["body"]), answer["headers"]["Content-Type"]
    if media_type == DICOM:
        return [content]
    head = f"MIME-Version: 1.0\r\nContent-Type: {media_type}\r\n\r\n".encode()
    parsed = email.message_from_bytes(head + content, policy=email.policy.HTTP)
    assert not parsed.defects
    boundary = parsed.get_boundary().encode()
    parts = content.split(b"--" + boundary)
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    found = [part.removesuffix(b"\r\n").split(b"\r\n\r\n", 1) for part in parts[1:-1]]
    assert {head for head, _ in found} == {b"\r\nContent-Type: application/dicom"}
    return [part for _, part in found]
