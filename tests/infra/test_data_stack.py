"""What must not be lost is encrypted, versioned, reached over TLS only, and keeps its logical id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from .conftest import ENVIRONMENTS, of_type

# A changed logical id replaces the resource: CloudFormation would make an empty bucket, or a key that opens nothing.
PINNED = {
    "data": {
        "Key961B73FD": "AWS::KMS::Key",
        "Data2D4B752F": "AWS::S3::Bucket",
        "Artifacts80C0BB10": "AWS::S3::Bucket",
    },
    "training": {"Registry4DB9CCA5": "AWS::SageMaker::ModelPackageGroup"},
}
Templates = Callable[[str], dict[str, dict[str, Any]]]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_stateful_resources_keep_their_logical_ids(environment: str, templates: Templates) -> None:
    for part, pinned in PINNED.items():
        resources = templates(environment)[part]["Resources"]
        assert {name: resources.get(name, {}).get("Type") for name in pinned} == pinned


def test_the_access_logs_keep_theirs(templates: Templates) -> None:
    assert "AccessLogs247031D9" in of_type(templates("prod")["data"], "AWS::S3::Bucket")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_bucket_is_private_versioned_and_encrypted(environment: str, templates: Templates) -> None:
    for name, bucket in of_type(templates(environment)["data"], "AWS::S3::Bucket").items():
        properties = bucket["Properties"]
        encryption = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
        algorithm = encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
        assert algorithm == ("AES256" if name.startswith("AccessLogs") else "aws:kms"), name
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}, name
        assert properties["PublicAccessBlockConfiguration"] == {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        }, name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_bucket_is_reached_over_tls_only(environment: str, templates: Templates) -> None:
    template = templates(environment)["data"]
    policies = {
        policy["Properties"]["Bucket"]["Ref"]: policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in of_type(template, "AWS::S3::BucketPolicy").values()
    }
    for name in of_type(template, "AWS::S3::Bucket"):
        conditions = [statement.get("Condition") for statement in policies[name] if statement["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in conditions, name
        assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in conditions, name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_datasets_are_written_by_the_trigger_alone(environment: str, templates: Templates) -> None:
    statements = [
        statement
        for policy in of_type(templates(environment)["data"], "AWS::S3::BucketPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "WrittenByOneRole"
    ]
    assert len(statements) == 1
    statement = statements[0]
    assert (statement["Effect"], statement["Action"], statement["Principal"]) == ("Deny", "s3:PutObject", {"AWS": "*"})
    assert statement["Resource"]["Fn::Join"][1][-1] == "/datasets/*"
    # CloudFormation names a role after its stack and logical id: the pattern has to fit the role there is.
    patterns = [arn["Fn::Join"][1][-1] for arn in statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"]]
    roles = of_type(templates(environment)["training"], "AWS::IAM::Role")
    writers = [name for name in roles if f":role/cxr-{environment}-training-{name}".startswith(patterns[0].rstrip("*"))]
    assert patterns == [
        f":role/cxr-{environment}-training-Trigger*",
        f":assumed-role/cxr-{environment}-training-Trigger*",
    ]
    assert [name for name in writers if name.startswith("TriggerRole")] == writers
    assert len(writers) == 1


def test_uploads_are_announced_without_a_function_of_the_cdk(templates: Templates) -> None:
    template = Template.from_json(templates("prod")["data"])
    template.resource_count_is("AWS::Lambda::Function", 0)
    template.resource_count_is("Custom::S3BucketNotifications", 0)
    template.has_resource_properties(
        "AWS::S3::Bucket",
        {"NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}},
    )


def test_the_key_rotates(templates: Templates) -> None:
    Template.from_json(templates("dev")["data"]).has_resource_properties("AWS::KMS::Key", {"EnableKeyRotation": True})


@pytest.mark.parametrize(("environment", "policy"), [("dev", "Delete"), ("prod", "Retain"), ("laptop", "Delete")])
def test_stateful_resources_go_with_the_stack_only_where_settings_say_so(
    environment: str, policy: str, templates: Templates
) -> None:
    resources = templates(environment)["data"]["Resources"]
    assert {resources[name]["DeletionPolicy"] for name in PINNED["data"]} == {policy}


def test_buckets_that_go_with_the_stack_are_emptied_first(templates: Templates) -> None:
    """CloudFormation deletes no bucket that holds objects."""
    for environment in ("dev", "laptop"):
        assert len(of_type(templates(environment)["data"], "Custom::S3AutoDeleteObjects")) == 2
    assert not of_type(templates("prod")["data"], "Custom::S3AutoDeleteObjects")


def test_an_upload_expires_but_no_dataset_and_no_artifact(templates: Templates) -> None:
    """Executions and model packages name datasets and artifacts long after."""
    for bucket in of_type(templates("dev")["data"], "AWS::S3::Bucket").values():
        expiring = [
            rule.get("Prefix")
            for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]
            if "ExpirationInDays" in rule
        ]
        assert expiring in (["incoming/"], [])


def test_prod_logs_who_read_what(templates: Templates) -> None:
    template = Template.from_json(templates("prod")["data"])
    for prefix in ("Data/", "Artifacts/"):
        template.has_resource_properties(
            "AWS::S3::Bucket",
            {"LoggingConfiguration": {"DestinationBucketName": Match.any_value(), "LogFilePrefix": prefix}},
        )
