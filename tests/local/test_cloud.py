"""The embedded cloud as its clients see it: IAM decides, events arrive, the CDK is at home, nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local.laptop import Laptop
from tests.local.account import ACCOUNT, SAGEMAKER, STACK_TEMPLATE, Account, allow
from tests.local.fake_cloud import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Laptop(tmp_path_factory.mktemp("cloud"), port=0) as laptop:
        yield Account(laptop.url)


@pytest.mark.parametrize(
    ("operation", "request_", "action", "resource"),
    [
        (
            "start_pipeline_execution",
            {"PipelineName": "p", "ClientRequestToken": "t" * 32},
            "StartPipelineExecution",
            f"{SAGEMAKER}:pipeline/p",
        ),
        (
            "describe_model_package",
            {"ModelPackageName": f"{SAGEMAKER}:model-package/g/1"},
            "DescribeModelPackage",
            f"{SAGEMAKER}:model-package/g/1",
        ),
        ("describe_endpoint", {"EndpointName": "Mixed"}, "DescribeEndpoint", f"{SAGEMAKER}:endpoint/mixed"),
        ("list_models", {}, "ListModels", "*"),
        ("list_hyper_parameter_tuning_jobs", {}, "ListHyperParameterTuningJobs", "*"),
        (
            "describe_hyper_parameter_tuning_job",
            {"HyperParameterTuningJobName": "t"},
            "DescribeHyperParameterTuningJob",
            f"{SAGEMAKER}:hyper-parameter-tuning-job/t",
        ),
    ],
)
def test_a_role_without_the_grant_is_denied_and_with_it_is_not(
    account: Account, operation: str, request_: dict[str, Any], action: str, resource: str
) -> None:
    # A grant on something else of the same service must not do.
    other = account.as_role("sagemaker", allow("sagemaker:*", f"{SAGEMAKER}:pipeline/another"))
    with pytest.raises(ClientError) as denied:
        getattr(other, operation)(**request_)
    assert denied.value.response["Error"]["Code"] == "AccessDeniedException"
    assert f"sagemaker:{action} on resource: {resource}" in denied.value.response["Error"]["Message"]
    granted = account.as_role("sagemaker", allow(f"sagemaker:{action}", resource))
    if resource == "*":
        assert getattr(granted, operation)(**request_)
        return
    # Nothing of that name exists, which only who is allowed to look is told.
    with pytest.raises(ClientError) as missing:
        getattr(granted, operation)(**request_)
    assert missing.value.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound")


def test_handing_a_role_to_sagemaker_needs_pass_role(account: Account) -> None:
    execution_role = account.role(service="sagemaker.amazonaws.com")
    request = {
        "PipelineName": "handed",
        "PipelineDefinition": "{}",
        "ClientRequestToken": "t" * 32,
        "RoleArn": execution_role,
    }
    with pytest.raises(ClientError, match="iam:PassRole"):
        account.as_role("sagemaker", allow("sagemaker:CreatePipeline", "*")).create_pipeline(**request)
    passing = allow("iam:PassRole", execution_role, StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"})
    created = account.as_role("sagemaker", allow("sagemaker:CreatePipeline", "*"), passing).create_pipeline(**request)
    assert created["PipelineArn"] == f"{SAGEMAKER}:pipeline/handed"


def test_an_approval_reaches_a_function_with_the_package_it_is_about(account: Account) -> None:
    s3, functions, events = account.client("s3"), account.client("lambda"), account.client("events")
    s3.create_bucket(Bucket="seen")
    arn = account.function(
        "watch",
        "import boto3, json\n"
        "def handle(event, context):\n"
        "    print('handling', event['detail-type'])\n"
        "    boto3.client('s3').put_object(Bucket='seen', Key='event.json', Body=json.dumps(event))\n",
        allow("s3:PutObject", "arn:aws:s3:::seen/*"),
    )
    pattern = {"source": ["aws.sagemaker"], "detail": {"ModelApprovalStatus": ["Approved"]}}
    rule = events.put_rule(Name="approved", EventPattern=json.dumps(pattern))["RuleArn"]
    events.put_targets(Rule="approved", Targets=[{"Id": "watch", "Arn": arn}])
    functions.add_permission(
        FunctionName="watch",
        StatementId="events",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )

    sagemaker = account.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="watched")
    created = sagemaker.create_model_package(
        ModelPackageGroupName="watched",
        ModelApprovalStatus="PendingManualApproval",
        CustomerMetadataProperties={"dataset": "abc"},
    )["ModelPackageArn"]
    sagemaker.update_model_package(
        ModelPackageArn=created, ModelApprovalStatus="Approved", ApprovalDescription="looks right"
    )

    wait_for(lambda: s3.list_objects_v2(Bucket="seen")["KeyCount"])
    event = json.loads(s3.get_object(Bucket="seen", Key="event.json")["Body"].read())
    assert event["detail-type"] == "SageMaker Model Package State Change"
    assert event["resources"] == [created]
    assert event["account"] == ACCOUNT
    assert (
        event["detail"]
        | {
            "ModelPackageGroupName": "watched",
            "ModelPackageArn": created,
            "ModelPackageVersion": 1,
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": "Approved",
            "ApprovalDescription": "looks right",
            "CustomerMetadataProperties": {"dataset": "abc"},
        }
        == event["detail"]
    )
    streams = account.client("logs").describe_log_streams(logGroupName="/aws/lambda/watch")["logStreams"]
    assert streams, "what a function prints is in its log group"


def test_a_lambda_step_calls_its_function_with_the_grant_and_only_with_it(account: Account) -> None:
    arn = account.function("find", "def handle(event, context):\n    return {'Word': event['word'].upper()}\n")
    sagemaker = account.client("sagemaker")
    step = {"Name": "Find", "Type": "Lambda", "FunctionArn": arn, "Arguments": {"word": "hello"}}
    step["OutputParameters"] = [{"OutputName": "Word", "OutputType": "String"}]
    definition = json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": [step]})

    def run(name: str, *statements: dict[str, Any]) -> dict[str, Any]:
        role = account.role(*statements, service="sagemaker.amazonaws.com")
        sagemaker.create_pipeline(
            PipelineName=name, PipelineDefinition=definition, ClientRequestToken="t" * 32, RoleArn=role
        )
        execution = sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]

        def ended() -> Any:
            steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
            return [found for found in steps if "EndTime" in found]

        found: dict[str, Any] = wait_for(ended)[0]
        return found

    granted = run("granted", allow("lambda:InvokeFunction", arn))
    assert granted["StepStatus"] == "Succeeded", granted
    assert granted["Metadata"]["Lambda"] == {"Arn": arn, "OutputParameters": [{"Name": "Word", "Value": "HELLO"}]}
    refused = run("refused", allow("lambda:InvokeFunction", f"{arn}-of-others"))
    assert refused["StepStatus"] == "Failed"
    assert "lambda:InvokeFunction" in refused["FailureReason"]
    assert "not authorized" in refused["FailureReason"]


def test_resource_types_count_in_a_policy_and_in_an_update(account: Account) -> None:
    cloudformation = account.client("cloudformation")
    cloudformation.create_stack(StackName="typed", TemplateBody=json.dumps(STACK_TEMPLATE))
    group = "AWS::SageMaker::ModelPackageGroup"
    released = account.as_role(
        "cloudformation",
        allow(
            "cloudformation:UpdateStack",
            f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/typed/*",
            **{
                "ForAllValues:StringEquals": {"cloudformation:ResourceTypes": [group]},
                "Null": {"cloudformation:ResourceTypes": "false"},
            },
        ),
    )
    update = {
        "StackName": "typed",
        "UsePreviousTemplate": True,
        "Parameters": [{"ParameterKey": "Name", "ParameterValue": "second"}],
    }
    for refused in ({}, {"ResourceTypes": [group, "AWS::IAM::Role"]}):
        with pytest.raises(ClientError, match="not authorized to perform: cloudformation:UpdateStack"):
            released.update_stack(**update, **refused)
    with pytest.raises(ClientError, match=f"{group} is not allowed by parameter ResourceTypes"):
        cloudformation.update_stack(**update, ResourceTypes=["AWS::IAM::Role"])
    released.update_stack(**update, ResourceTypes=[group])
    wait_for(lambda: cloudformation.describe_stacks(StackName="typed")["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE")
    groups = account.client("sagemaker").list_model_package_groups(NameContains="second")
    assert len(groups["ModelPackageGroupSummaryList"]) == 1


def test_a_bucket_that_refuses_plain_http_takes_the_loopback(account: Account) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="encrypted-only")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::encrypted-only/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    s3.put_bucket_policy(Bucket="encrypted-only", Policy=policy)
    writer = account.as_role("s3", allow("s3:PutObject", "arn:aws:s3:::encrypted-only/*"))
    writer.put_object(Bucket="encrypted-only", Key="a", Body=b"b")


def test_the_cdk_finds_its_bootstrap(account: Account) -> None:
    version = account.client("ssm").get_parameter(Name="/cdk-bootstrap/hnb659fds/version")["Parameter"]["Value"]
    assert int(version) >= 6, "aws-cdk-lib asks for version 6"
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-us-east-1"
    role = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-file-publishing-role-{ACCOUNT}-us-east-1"
    session = account.client("sts").assume_role(RoleArn=role, RoleSessionName="cdk")["Credentials"]
    account.client("s3", session).put_object(Bucket=bucket, Key="asset.zip", Body=b"zip")


def test_an_operation_nobody_implements_is_named(account: Account) -> None:
    with pytest.raises(ClientError, match="CreateFlowDefinition"):
        account.client("sagemaker").create_flow_definition(
            FlowDefinitionName="flow",
            RoleArn=account.role(service="sagemaker.amazonaws.com"),
            OutputConfig={"S3OutputPath": "s3://somewhere/"},
        )


def test_the_end_of_a_stack_update_is_an_event_with_the_token_of_who_asked(account: Account) -> None:
    sqs, events, stacks = (account.client(service) for service in ("sqs", "events", "cloudformation"))
    queue = sqs.create_queue(QueueName="stack-changes")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.cloudformation"], "detail": {"client-request-token": [{"prefix": "mine-"}]}}
    events.put_rule(Name="stack-changes", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="stack-changes", Targets=[{"Id": "queue", "Arn": arn}])
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    template = json.dumps(STACK_TEMPLATE)
    parameters = [{"ParameterKey": "Name", "ParameterValue": "told-of"}]

    stacks.create_stack(StackName="told", TemplateBody=template, Parameters=parameters, ClientRequestToken="others")
    wait_for(lambda: stacks.describe_stacks(StackName="told")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    again = [{"ParameterKey": "Name", "ParameterValue": "told-of-again"}]
    stacks.update_stack(StackName="told", UsePreviousTemplate=True, Parameters=again, ClientRequestToken="mine-1")

    told: list[dict[str, Any]] = []

    def ended() -> bool:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            told.append(json.loads(message["Body"])["detail"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return "UPDATE_COMPLETE" in {detail["status-details"]["status"] for detail in told}

    wait_for(ended)
    assert {detail["client-request-token"] for detail in told} == {"mine-1"}
    assert all(detail["stack-id"].startswith("arn:aws:cloudformation:us-east-1:") for detail in told)


def test_an_alarm_judges_its_own_metric_and_is_quiet_when_that_ends(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    for name in ("mine", "another"):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SageMaker",
            MetricName="Invocation5XXErrors",
            Dimensions=[{"Name": "EndpointName", "Value": name}],
            Statistic="Average",
            Period=10,
            EvaluationPeriods=1,
            Threshold=0.5,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        )

    def states() -> dict[str, str]:
        alarms = cloudwatch.describe_alarms(AlarmNames=["mine", "another"])["MetricAlarms"]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}

    for name, value in (("mine", 1.0), ("another", 0.0)):
        data = {"MetricName": "Invocation5XXErrors", "Value": value}
        dimensions = [{"Name": "EndpointName", "Value": name}]
        cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[{**data, "Dimensions": dimensions}])
    assert states() == {"mine": "ALARM", "another": "OK"}
    wait_for(lambda: states() == {"mine": "OK", "another": "OK"})


def test_stopping_leaves_no_process_even_when_the_one_in_front_is_killed(tmp_path: Path) -> None:
    with Laptop(tmp_path / "probe", port=0) as probe:
        port = probe.port
    command = [sys.executable, "-m", "local", "--port", str(port), "--state-dir", str(tmp_path / "state")]
    front = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert front.stdout is not None
    try:
        assert b"Ready: AWS_ENDPOINT_URL" in front.stdout.readline()
        listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        pairs = [line.split() for line in listed.splitlines()]
        (server,) = [int(pid) for pid, parent in pairs if int(parent) == front.pid]
    finally:
        front.kill()
        front.wait()
        front.stdout.close()

    def gone() -> bool:
        try:
            os.kill(server, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(gone, 15)


def test_a_taken_port_is_said_in_one_sentence(account: Account) -> None:
    port = account.url.rpartition(":")[2]
    tried = subprocess.run(
        [sys.executable, "-m", "local", "--port", port], capture_output=True, text=True, check=False, timeout=30
    )
    assert tried.returncode == 1
    assert f"Port {port} of 127.0.0.1 is in use" in tried.stderr
    assert len(tried.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def bucket(account: Account) -> str:
    """Versioned, with rules about versions."""
    rules = [
        {"Id": "All", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}},
        {"Prefix": "day/", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"Prefix": "off/", "Status": "Disabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
    ]
    properties = {
        "BucketName": "versions",
        "VersioningConfiguration": {"Status": "Enabled"},
        "LifecycleConfiguration": {"Rules": rules},
    }
    template = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}}
    stacks = account.client("cloudformation")
    stacks.create_stack(StackName="versions", TemplateBody=json.dumps(template))
    wait_for(lambda: stacks.describe_stacks(StackName="versions")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    return "versions"


class TestVersionsOfObjects:
    """Lifecycle rules on the laptop, in a bucket that CloudFormation made."""

    @pytest.mark.parametrize(
        ("key", "kept"), [("day/x", [b"3"]), ("off/x", [b"1", b"2", b"3"]), ("x", [b"1", b"2", b"3"])]
    )
    def test_a_version_is_gone_at_once_only_where_a_rule_gives_it_one_day(
        self, account: Account, bucket: str, key: str, kept: list[bytes]
    ) -> None:
        s3 = account.client("s3")
        for body in (b"1", b"2", b"3"):
            s3.put_object(Bucket=bucket, Key=key, Body=body)
        versions = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
        bodies = [s3.get_object(Bucket=bucket, Key=key, VersionId=one["VersionId"])["Body"].read() for one in versions]
        assert sorted(bodies) == kept
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"3"

    def test_a_large_upload_replaces_as_a_small_one_does(self, account: Account, bucket: str) -> None:
        """Checkpoints come in parts."""
        s3 = account.client("s3")
        for content in (b"1", b"2"):
            upload = s3.create_multipart_upload(Bucket=bucket, Key="day/parts")["UploadId"]
            named = {"Bucket": bucket, "Key": "day/parts", "UploadId": upload}
            part = s3.upload_part(**named, PartNumber=1, Body=content)
            parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            s3.complete_multipart_upload(**named, MultipartUpload=parts)
        assert len(s3.list_object_versions(Bucket=bucket, Prefix="day/parts")["Versions"]) == 1
        assert s3.get_object(Bucket=bucket, Key="day/parts")["Body"].read() == b"2"

    def test_what_was_deleted_has_no_older_version(self, account: Account, bucket: str) -> None:
        s3 = account.client("s3")
        s3.put_object(Bucket=bucket, Key="day/deleted", Body=b"1")
        s3.delete_object(Bucket=bucket, Key="day/deleted")
        assert "Versions" not in s3.list_object_versions(Bucket=bucket, Prefix="day/deleted")
