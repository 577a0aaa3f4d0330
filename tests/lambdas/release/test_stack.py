"""The requests as botocore's service models accept them: a fake would take any parameter."""

from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.aws.topic import Topic
from lambdas.release.notification import Notifier
from lambdas.release.package import describe
from lambdas.release.stack import EndpointStack, StackRefusedError, StackState, Token

STACK = "cxr-dev-endpoint"
TYPES = ("AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint")
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/7"


@pytest.fixture(scope="module")
def client():
    def make(service):
        return boto3.client(service, "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")

    return make


def test_update_is_a_valid_request(client):
    cloudformation = client("cloudformation")
    with Stubber(cloudformation) as stub:
        stub.add_response("update_stack", {"StackId": "id"})
        token = Token.make(ARN, "", occasion="2026-01-01")
        assert EndpointStack(cloudformation, STACK, TYPES).release(
            ARN, StackState("UPDATE_COMPLETE", "", ("ModelPackageArn",)), token
        )


def test_a_token_tells_what_it_was_made_for():
    token = Token.make(ARN, ARN.replace("/7", "/6"), occasion="2026-01-01")
    assert Token.read(token.text) == token
    assert (token.version, token.replaced, token.restoring) == (7, 6, False)
    assert token == Token.make(ARN, ARN.replace("/7", "/6"), occasion="2026-01-01"), "a repeated event asks once"
    assert token != Token.make(ARN, ARN.replace("/7", "/6"), occasion="2026-01-02"), "a later approval asks again"
    assert len(token.text) <= 128, "CloudFormation takes no longer ones"
    assert Token.read("Console-UpdateStack-0a1b") is None


def test_state_of_a_stack(client):
    cloudformation = client("cloudformation")
    stack = {"StackName": STACK, "CreationTime": datetime.now(UTC), "StackStatus": "UPDATE_IN_PROGRESS"}
    parameters = [{"ParameterKey": "ModelPackageArn", "ParameterValue": ARN}]
    with Stubber(cloudformation) as stub:
        stub.add_response("describe_stacks", {"Stacks": [{**stack, "Parameters": parameters}]}, {"StackName": STACK})
        state = EndpointStack(cloudformation, STACK, TYPES).state()
        assert (state.package_arn, state.busy, state.releasing(ARN)) == (ARN, True, True)
        stub.add_response("describe_stacks", {"Stacks": [stack]})
        with pytest.raises(StackRefusedError, match="no parameter ModelPackageArn"):
            EndpointStack(cloudformation, STACK, TYPES).state()


def test_package_and_its_absence(client):
    sagemaker = client("sagemaker")
    created = datetime(2026, 1, 1, tzinfo=UTC)
    answer = {
        "ModelPackageName": "cxr-dev/7",
        "ModelPackageArn": ARN,
        "ModelPackageGroupName": "cxr-dev",
        "ModelPackageVersion": 7,
        "ModelApprovalStatus": "Approved",
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "CreationTime": created,
    }
    with Stubber(sagemaker) as stub:
        stub.add_response("describe_model_package", answer, {"ModelPackageName": ARN})
        package = describe(sagemaker, ARN)
        assert package is not None
        assert (package.version, package.approval, package.modified) == (7, "Approved", created)
        stub.add_client_error("describe_model_package", "ValidationException", f"Model package {ARN} does not exist.")
        assert describe(sagemaker, ARN) is None


def test_notifications_are_valid_requests_with_long_names(client):
    sns = client("sns")
    notifier = Notifier(Topic(sns, "arn:aws:sns:us-east-1:123456789012:topic"))
    with Stubber(sns) as stub:
        for _ in range(11):
            stub.add_response("publish", {"MessageId": "id"})
        notifier.requested(ARN, STACK, "")
        notifier.failed(ARN, STACK, "reason")
        notifier.superseded(ARN, ARN)
        notifier.rejected_while_serving(ARN, STACK)
        notifier.approval_wanted(ARN, evaluated_first=True)
        notifier.held_back(ARN, ARN, "reason", "advice")
        notifier.released(ARN, answered=True)
        notifier.rolled_back(ARN, None, ["reason"])
        notifier.taken_back(ARN, ARN, "reason")
        notifier.unverified(ARN, STACK, "reason")
        notifier.stuck(ARN, STACK, "UPDATE_ROLLBACK_FAILED", ["reason"])
        stub.assert_no_pending_responses()
