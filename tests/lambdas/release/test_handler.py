"""The function as Lambda calls it."""

import pytest
from pydantic import ValidationError

HANDLER = "lambdas.release.handler.handle"
ENVIRONMENT = {
    "ENDPOINT_STACK_NAME": "cxr-dev-endpoint",
    "ENDPOINT_NAME": "cxr-dev",
    "RELEASED_TYPES": "AWS::SageMaker::Model,AWS::SageMaker::Endpoint",
    "MODEL_PACKAGE_GROUP_NAME": "cxr-dev",
    "ARTIFACT_BUCKET_NAME": "artifacts",
    "SIGNING_KEY_ARN": "arn:aws:kms:us-east-1:123456789012:key/0a1b",
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


def test_the_end_of_an_own_update_reaches_the_service(load_handler, monkeypatch, context):
    module, handle = load_handler(HANDLER, **ENVIRONMENT)
    stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/cxr-dev-endpoint/0a1b"
    event = {
        "source": "aws.cloudformation",
        "detail-type": "CloudFormation Stack Status Change",
        "detail": {
            "stack-id": stack,
            "status-details": {"status": "UPDATE_COMPLETE", "status-reason": ""},
            "client-request-token": "release-3-2-0123456789ab",
        },
    }

    class Recorder:
        def conclude(self, token, status, stack_arn):
            return f"{token.version} after {token.replaced}: {status} of {stack_arn == stack}"

    monkeypatch.setattr(module, "release", Recorder)
    assert handle(event, context)["status"] == "3 after 2: UPDATE_COMPLETE of True"
    event["detail"]["client-request-token"] = "Console-UpdateStack-1"
    assert handle(event, context) == {"status": "ignored"}, "somebody else's update is nobody's release"


def test_other_events_are_ignored_without_a_service(load_handler, monkeypatch, context):
    module, handle = load_handler(HANDLER, **ENVIRONMENT)
    monkeypatch.setattr(module, "release", lambda: pytest.fail("not needed"))
    assert handle({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}, context) == {"status": "ignored"}


def test_service_is_made_from_the_environment(load_handler):
    module, _ = load_handler(HANDLER, **ENVIRONMENT)
    release = module.release()
    assert (release.stack.name, release.group) == ("cxr-dev-endpoint", "cxr-dev")
    assert release.stack.resource_types == ("AWS::SageMaker::Model", "AWS::SageMaker::Endpoint")
    assert release.endpoint.name == "cxr-dev"


def test_the_gate_of_site_evaluations_is_there_where_the_deployment_asks_for_it(load_handler):
    module, _ = load_handler(HANDLER, **ENVIRONMENT)
    assert module.release().site_gate is None
    module, _ = load_handler(HANDLER, **ENVIRONMENT, SITE_EVALUATION_REQUIRED="true")
    assert module.release().site_gate.bucket == "artifacts"


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_missing_variable_is_named(load_handler, monkeypatch, name):
    module, _ = load_handler(HANDLER, **ENVIRONMENT)
    monkeypatch.delenv(name)
    with pytest.raises(ValidationError, match=name):
        module.release()
