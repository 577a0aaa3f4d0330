"""The endpoint is asked what it serves: its configuration and an answer have to name the package."""

import io
import json
from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from lambdas.release.endpoint import ATTEMPTS, PROBE, NotServingError, ServingEndpoint

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/7"
OTHER = ARN.replace("/7", "/6")


def refusal(operation, message, code, **more):
    return ClientError({"Error": {"Code": code, "Message": message}, **more}, operation)


@dataclass
class SageMaker:
    status: str = "InService"
    package: str = ARN

    def describe_endpoint(self, *, EndpointName):  # noqa: N803
        if not self.status:
            raise refusal("DescribeEndpoint", f"Could not find endpoint {EndpointName}", "ValidationException")
        return {"EndpointStatus": self.status, "EndpointConfigName": "config"}

    def describe_endpoint_config(self, *, EndpointConfigName):  # noqa: N803
        assert EndpointConfigName == "config"
        return {"ProductionVariants": [{"ModelName": "model"}]}

    def describe_model(self, *, ModelName):  # noqa: N803
        assert ModelName == "model"
        return {"PrimaryContainer": {"ModelPackageName": self.package}}


@dataclass
class Runtime:
    """Gives its answers one after the other, the last one for ever."""

    answers: list = field(default_factory=lambda: [ARN])
    asked: list = field(default_factory=list)

    def invoke_endpoint(self, **request):
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        model = answer if isinstance(answer, dict) else {"package_arn": answer}
        return {"Body": io.BytesIO(json.dumps({"model": model, "predictions": []}).encode())}


@dataclass
class World:
    sagemaker: SageMaker = field(default_factory=SageMaker)
    runtime: Runtime = field(default_factory=Runtime)
    seconds: float = 0

    def verify(self, served_digest=None):
        def sleep(seconds):
            self.seconds += seconds

        return ServingEndpoint(self.sagemaker, self.runtime, "cxr-dev", sleep).verify(ARN, served_digest)


@pytest.fixture
def world():
    return World()


def model_error(said):
    return refusal("InvokeEndpoint", "Received server error (500)", "ModelError", OriginalMessage=said)


def test_an_answer_that_names_the_package_is_evidence(world):
    assert world.verify().answered
    (request,) = world.runtime.asked
    assert request["ContentType"] == "image/jpeg"
    assert request["Body"] == PROBE.read_bytes()
    assert world.seconds == 0


def test_the_drawing_is_small_and_a_whole_jpeg():
    drawing = PROBE.read_bytes()
    assert drawing.startswith(b"\xff\xd8\xff")
    assert drawing.endswith(b"\xff\xd9")
    assert len(drawing) < 20_000


def test_a_model_that_tells_a_drawing_from_a_radiograph_has_answered(world):
    world.runtime.answers = [model_error('{"error": "not_a_radiograph: It looks like none."}')]
    assert not world.verify().answered
    assert len(world.runtime.asked) == 1


def test_an_answer_of_other_files_than_were_signed_is_no_release(world):
    """The archive may have been exchanged between the signature's verification and the container's download."""
    world.runtime.answers = [{"package_arn": ARN, "served_sha256": "ab" * 32}]
    assert world.verify("ab" * 32).answered
    with pytest.raises(NotServingError, match=f"files of the digest {'ab' * 32}, and {'cd' * 32} was signed"):
        world.verify("cd" * 32)
    assert (len(world.runtime.asked), world.seconds) == (2, 0), "asking again cannot help"


@pytest.mark.parametrize("told", [{}, {"served_sha256": None}, {"served_sha256": "ab" * 32}], ids=str)
def test_a_digest_that_one_side_does_not_tell_is_not_compared(world, told):
    """Models of before it was told have none in their answers, or none in their statements."""
    world.runtime.answers = [{"package_arn": ARN, **told}]
    assert world.verify(None if told.get("served_sha256") else "cd" * 32).answered


@pytest.mark.parametrize(
    "passing",
    [
        refusal("InvokeEndpoint", "starting", "ModelNotReadyException"),
        refusal("InvokeEndpoint", "too many", "ThrottlingException"),
        ReadTimeoutError(endpoint_url="https://runtime"),
        OTHER,
    ],
    ids=["starting", "throttled", "slow", "the old one once more"],
)
def test_what_passes_is_waited_for(world, passing):
    world.runtime.answers = [passing, ARN]
    assert world.verify().answered
    assert world.seconds > 0


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (OTHER, f"answers with {OTHER}"),
        (model_error('{"error": "inference_failed: no"}'), "ModelError: .*inference_failed"),
        (model_error('{"error": "undecodable_image: no"}'), "undecodable_image"),
        (ReadTimeoutError(endpoint_url="https://runtime"), "gave no answer in time"),
    ],
    ids=["another package", "failing", "not reading a jpeg", "silent"],
)
def test_what_does_not_pass_is_no_release(world, answer, says):
    world.runtime.answers = [answer]
    with pytest.raises(NotServingError, match=says):
        world.verify()
    assert len(world.runtime.asked) == ATTEMPTS


@pytest.mark.parametrize(
    ("status", "package", "says"),
    [("InService", OTHER, f"configured to serve {OTHER}"), ("", ARN, "no package"), ("Failed", ARN, "no package")],
)
def test_a_configuration_that_leads_elsewhere_is_no_release(world, status, package, says):
    world.sagemaker = SageMaker(status, package)
    with pytest.raises(NotServingError, match=says):
        world.verify()
    assert world.runtime.asked == []


def test_a_missing_permission_is_no_answer(world):
    """Rolling a release back because nobody may ask it would be wrong: the event is delivered again instead."""
    world.runtime.answers = [refusal("InvokeEndpoint", "not authorized", "AccessDeniedException")]
    with pytest.raises(ClientError, match="not authorized"):
        world.verify()
