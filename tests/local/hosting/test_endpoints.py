"""A laptop endpoint is the model's own artifact in a process, replaced without a failed request or not at all."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.laptop import Laptop
from tests.local.hosted import IMAGE, archive, save_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.system

TYPES = ["AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint"]
SAVED_MODEL = """
import sys, tensorflow as tf

class Length(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serve(self, image_bytes):
        length = tf.cast(tf.strings.length(image_bytes), tf.float32)
        with tf.control_dependencies([tf.debugging.assert_greater(length, 0.0, message="empty image")]):
            return {"logit": length, "probability": tf.sigmoid(length)}

module = Length()
tf.saved_model.save(module, sys.argv[1], signatures=module.serve)
"""
INFERENCE = """
import base64, json, os, time

def input_handler(data, context):
    if context.request_content_type != "image/jpeg":
        raise ValueError(f"unsupported_media_type: {context.request_content_type}")
    image = data.read()
    time.sleep(0.05)
    return json.dumps({"instances": [{"b64": base64.b64encode(image).decode()}]})

def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError("undecodable_image: " + response.json()["error"])
    answer = response.json()
    answer["package"] = os.environ["MODEL_PACKAGE_ARN"]
    return json.dumps(answer), context.accept_header
"""
TEMPLATE: dict[str, Any] = {
    "Parameters": {"ModelPackageArn": {"Type": "String", "Default": ""}, "Memory": {"Type": "Number", "Default": 2048}},
    "Conditions": {"HasModel": {"Fn::Not": [{"Fn::Equals": [{"Ref": "ModelPackageArn"}, ""]}]}},
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "sagemaker.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
                "Policies": [
                    {
                        "PolicyName": "artifact-and-logs",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {
                                    "Effect": "Allow",
                                    "Action": "s3:GetObject",
                                    "Resource": "arn:aws:s3:::artifacts/models/*",
                                },
                                {"Effect": "Allow", "Action": "logs:*", "Resource": "*"},
                            ],
                        },
                    }
                ],
            },
        },
        "Model": {
            "Type": "AWS::SageMaker::Model",
            "Condition": "HasModel",
            "Properties": {
                "ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "PrimaryContainer": {
                    "ModelPackageName": {"Ref": "ModelPackageArn"},
                    "Environment": {"MODEL_PACKAGE_ARN": {"Ref": "ModelPackageArn"}},
                },
            },
        },
        "Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Condition": "HasModel",
            "Properties": {
                "ProductionVariants": [
                    {
                        "VariantName": "AllTraffic",
                        "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
                        "InitialVariantWeight": 1,
                        "InitialInstanceCount": 1,
                        "InstanceType": "ml.c7i.xlarge",
                    }
                ]
            },
        },
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Condition": "HasModel",
            "Properties": {
                "EndpointName": "lengths",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        },
    },
    "Outputs": {"EndpointName": {"Value": "lengths"}},
}


class Account:
    """The cloud under test, and what a person would do in it."""

    def __init__(self, laptop: Laptop) -> None:
        self.laptop = laptop

    def client(self, service: str, credentials: dict[str, str] | None = None, **config: Any) -> Any:
        keys = credentials or {"AccessKeyId": "test", "SecretAccessKey": "test"}
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.laptop.url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"max_attempts": 0}, **config),
        )

    def register(self, prefix: str, archive: bytes) -> str:
        """A model package of an artifact at `s3://artifacts/<prefix>/model.tar.gz`."""
        self.client("s3").put_object(Bucket="artifacts", Key=f"{prefix}/model.tar.gz", Body=archive)
        containers = [{"Image": IMAGE, "ModelDataUrl": f"s3://artifacts/{prefix}/model.tar.gz"}]
        specification = {
            "Containers": containers,
            "SupportedContentTypes": ["image/jpeg"],
            "SupportedResponseMIMETypes": ["application/json"],
        }
        created = self.client("sagemaker").create_model_package(
            ModelPackageGroupName="lengths", InferenceSpecification=specification
        )
        return str(created["ModelPackageArn"])

    def release(self, package: str, expected: str = "UPDATE_COMPLETE") -> list[str]:
        """Update the stack as the Release function does; the reasons of its failed resources."""
        cloudformation = self.client("cloudformation")
        before = len(cloudformation.describe_stack_events(StackName="serving")["StackEvents"])
        cloudformation.update_stack(
            StackName="serving",
            UsePreviousTemplate=True,
            Parameters=[
                {"ParameterKey": "ModelPackageArn", "ParameterValue": package},
                {"ParameterKey": "Memory", "UsePreviousValue": True},
            ],
            Capabilities=["CAPABILITY_IAM"],
            ResourceTypes=TYPES,
        )
        deadline = time.monotonic() + 120
        while (status := self.stack_status()).endswith("IN_PROGRESS"):
            assert time.monotonic() < deadline, "the update took too long"
            time.sleep(0.1)
        assert status == expected
        events = cloudformation.describe_stack_events(StackName="serving")["StackEvents"]
        return [
            e.get("ResourceStatusReason", "") for e in events[: len(events) - before] if "FAILED" in e["ResourceStatus"]
        ]

    def stack_status(self) -> str:
        stacks = self.client("cloudformation").describe_stacks(StackName="serving")["Stacks"]
        return str(stacks[0]["StackStatus"])

    def invoke(self, body: bytes = b"abc", content_type: str = "image/jpeg", **more: Any) -> dict[str, Any]:
        answer = self.client("sagemaker-runtime", **more).invoke_endpoint(
            EndpointName="lengths", Body=body, ContentType=content_type
        )
        document: dict[str, Any] = json.loads(answer["Body"].read())
        return document

    def processes(self) -> list[str]:
        """The command lines of the serving processes."""
        found = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        return [
            line
            for line in found.splitlines()
            if "local.containers.serving" in line and str(self.laptop.state_dir) in line
        ]


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("saved-model") / "1", SAVED_MODEL)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, saved_model: Path) -> Iterator[Account]:
    """A cloud with a stack that has released the first package."""
    with Laptop(tmp_path_factory.mktemp("cloud"), port=0) as laptop:
        account = Account(laptop)
        account.client("s3").create_bucket(Bucket="artifacts")
        account.client("sagemaker").create_model_package_group(ModelPackageGroupName="lengths")
        account.client("cloudformation").create_stack(
            StackName="serving", TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"]
        )
        assert account.stack_status() == "CREATE_COMPLETE"
        account.release(account.register("models/first", archive(saved_model, INFERENCE)))
        yield account


def test_a_release_serves_the_artifact_of_the_package_it_names(account: Account) -> None:
    answer = account.invoke(b"abc")
    assert answer["package"].endswith("model-package/lengths/1")
    assert answer["predictions"] == [{"logit": 3.0, "probability": pytest.approx(0.9526, abs=1e-4)}]
    described = account.client("sagemaker").describe_endpoint(EndpointName="lengths")
    assert described["EndpointStatus"] == "InService"
    assert described["ProductionVariants"][0]["VariantName"] == "AllTraffic"


def test_a_container_error_is_a_model_error_with_what_the_container_said(account: Account) -> None:
    with pytest.raises(ClientError) as refused:
        account.invoke(b"abc", "text/plain")
    answer = refused.value.response
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == 500
    assert json.loads(answer["OriginalMessage"]) == {"error": "unsupported_media_type: text/plain"}
    assert answer["LogStreamArn"].endswith("log-group:/aws/sagemaker/Endpoints/lengths")


def test_an_error_inside_the_graph_is_answered_before_the_output_handler(account: Account) -> None:
    with pytest.raises(ClientError, match=r"client error \(400\) .*empty image"):
        account.invoke(b"")


def test_a_payload_over_six_mebibytes_is_refused_before_the_container(account: Account) -> None:
    with pytest.raises(ClientError) as refused:
        account.invoke(b"x" * (6 * 1024 * 1024 + 1))
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert account.invoke(b"x" * (6 * 1024 * 1024))["predictions"][0]["logit"] == 6 * 1024 * 1024


def test_an_endpoint_nobody_made_is_not_found(account: Account) -> None:
    with pytest.raises(ClientError, match=r"Endpoint other of account 123456789012 not found\."):
        account.client("sagemaker-runtime").invoke_endpoint(EndpointName="other", Body=b"")


def test_only_a_role_with_the_grant_may_invoke(account: Account) -> None:
    iam, sts = account.client("iam"), account.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="caller", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    session = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    with pytest.raises(ClientError, match="not authorized to perform: sagemaker:InvokeEndpoint") as refused:
        account.invoke(credentials=session)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/lengths"
    allowed = {"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="caller", PolicyName="invoke", PolicyDocument=policy)
    assert account.invoke(credentials=session)["predictions"]


def test_the_container_logs_to_cloudwatch(account: Account) -> None:
    logs = account.client("logs")
    group = "/aws/sagemaker/Endpoints/lengths"
    deadline = time.monotonic() + 10
    messages: list[str] = []
    while not any("model version 1 is loaded" in message for message in messages):
        assert time.monotonic() < deadline, messages
        for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
            assert stream["logStreamName"].startswith("AllTraffic/i-")
            events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
            messages += [event["message"] for event in events]
        time.sleep(0.2)


def test_a_second_package_replaces_the_first_without_a_failed_request(account: Account, saved_model: Path) -> None:
    first = account.invoke()["package"]
    second = account.register("models/second", archive(saved_model, INFERENCE))
    released = threading.Event()
    answered: list[str] = []

    def ask() -> None:
        while not released.is_set():
            answered.append(account.invoke()["package"])

    with ThreadPoolExecutor(4) as callers:
        asking = [callers.submit(ask) for _ in range(4)]
        account.release(second)
        time.sleep(0.5)
        released.set()
        for caller in asking:
            caller.result()  # raises what a request raised
    # Every answer is from one of the two, the last of the second, and both were asked while the switch went on.
    assert set(answered) == {first, second}
    assert account.invoke()["package"] == second
    deadline = time.monotonic() + 10
    while len(account.processes()) != 1:
        assert time.monotonic() < deadline, account.processes()
        time.sleep(0.1)


def test_an_artifact_that_does_not_start_leaves_the_endpoint_on_the_old_one(
    account: Account, saved_model: Path
) -> None:
    serving = account.invoke()["package"]
    broken = account.register("models/broken", archive(saved_model, "raise RuntimeError('no such thing')"))
    reasons = account.release(broken, expected="UPDATE_ROLLBACK_COMPLETE")
    assert any("did not pass the ping health check" in reason and "no such thing" in reason for reason in reasons)
    assert account.invoke()["package"] == serving
    assert account.client("sagemaker").describe_endpoint(EndpointName="lengths")["EndpointStatus"] == "InService"
    assert len(account.processes()) == 1


def test_an_artifact_the_execution_role_may_not_read_is_not_served(account: Account, saved_model: Path) -> None:
    serving = account.invoke()["package"]
    elsewhere = account.register("elsewhere", archive(saved_model, INFERENCE))
    reasons = account.release(elsewhere, expected="UPDATE_ROLLBACK_COMPLETE")
    assert any("Could not access model data" in reason and "Forbidden" in reason for reason in reasons)
    assert account.invoke()["package"] == serving


def test_an_update_of_a_type_outside_resource_types_is_refused(account: Account) -> None:
    package = account.invoke()["package"]
    template = json.loads(json.dumps(TEMPLATE))
    template["Resources"]["Role"]["Properties"]["Description"] = "changed"
    parameter = {"ParameterKey": "ModelPackageArn", "ParameterValue": package}
    with pytest.raises(ClientError, match="AWS::IAM::Role is not allowed by parameter ResourceTypes"):
        account.client("cloudformation").update_stack(
            StackName="serving",
            TemplateBody=json.dumps(template),
            Parameters=[parameter],
            Capabilities=["CAPABILITY_IAM"],
            ResourceTypes=TYPES,
        )
    assert account.stack_status().endswith("COMPLETE")


def test_deleting_the_stack_stops_the_processes(account: Account) -> None:
    account.client("cloudformation").delete_stack(StackName="serving")
    deadline = time.monotonic() + 20
    while account.processes():
        assert time.monotonic() < deadline, "the serving process is still there"
        time.sleep(0.1)
    assert account.client("sagemaker").list_endpoints()["Endpoints"] == []
    assert account.client("sagemaker").list_models()["Models"] == []
