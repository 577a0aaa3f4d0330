"""The function as Lambda calls it."""

import pytest
from pydantic import ValidationError

HANDLER = "lambdas.release.handler.handle"
ENVIRONMENT = {
    "ENDPOINT_STACK_NAME": "cxr-dev-endpoint",
    "MODEL_PACKAGE_GROUP_NAME": "cxr-dev",
    "NOTIFICATION_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:topic",
}
EVENT = {
    "source": "aws.sagemaker",
    "detail-type": "SageMaker Model Package State Change",
    "detail": {
        "ModelPackageGroupName": "cxr-dev",
        "ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/3",
        "ModelApprovalStatus": "Approved",
    },
}


def test_event_and_remaining_time_reach_the_service(load_handler, monkeypatch, context):
    module, handle = load_handler(HANDLER, **ENVIRONMENT)

    class Recorder:
        def follow(self, change, remaining_seconds):
            return f"{change.approval} {change.package_arn[-9:]} {remaining_seconds()}"

    monkeypatch.setattr(module, "release", Recorder)
    assert handle(EVENT, context)["status"] == "Approved cxr-dev/3 2.0"


def test_other_events_are_ignored_without_a_service(load_handler, monkeypatch, context):
    module, handle = load_handler(HANDLER, **ENVIRONMENT)
    monkeypatch.setattr(module, "release", lambda: pytest.fail("not needed"))
    assert handle({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}, context) == {"status": "ignored"}


def test_service_is_made_from_the_environment(load_handler):
    module, _ = load_handler(HANDLER, **ENVIRONMENT)
    release = module.release()
    assert (release.stack.name, release.group) == ("cxr-dev-endpoint", "cxr-dev")


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_missing_variable_is_named(load_handler, monkeypatch, name):
    module, _ = load_handler(HANDLER, **ENVIRONMENT)
    monkeypatch.delenv(name)
    with pytest.raises(ValidationError, match=name):
        module.release()
