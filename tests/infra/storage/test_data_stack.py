"""Everything that must not be lost is encrypted, versioned, reached over TLS only, and keeps its logical id."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from policy.template import listed, text
from tests.infra.conftest import ENVIRONMENTS, of_type


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global App, CHECKPOINT_PREFIX, definition_file, kept_by_deployments, Match, Stack, Template
    from aws_cdk import App, Stack
    from aws_cdk.assertions import Match, Template

    from infra.storage.data_key import kept_by_deployments
    from infra.storage.data_stack import CHECKPOINT_PREFIX
    from infra.training.training_pipeline import definition_file


# A changed logical id replaces the resource: CloudFormation would make an empty bucket, or a key that opens nothing.
PINNED = {
    "data": {
        "Key961B73FD": "AWS::KMS::Key",
        "SigningKeyEEFC2790": "AWS::KMS::Key",
        "Data2D4B752F": "AWS::S3::Bucket",
        "Artifacts80C0BB10": "AWS::S3::Bucket",
        "Predictions1544A278": "AWS::DynamoDB::Table",
    },
    "training": {"Registry4DB9CCA5": "AWS::SageMaker::ModelPackageGroup"},
}
LOGS = ("AccessLogs247031D9", "TrailEvents11DCC9B2")
# Answers to requests that were sent twice, for a day.
EXPENDABLE = ("RequestsB6FEFCAC",)
Templates = Callable[[str], dict[str, dict[str, Any]]]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_stateful_resources_keep_their_logical_ids(environment: str, templates: Templates) -> None:
    for part, pinned in PINNED.items():
        resources = templates(environment)[part]["Resources"]
        assert {name: resources.get(name, {}).get("Type") for name in pinned} == pinned


def test_the_logs_keep_theirs(audited: dict[str, Any]) -> None:
    assert set(LOGS) <= set(of_type(audited["data"], "AWS::S3::Bucket"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_nothing_that_holds_something_is_left_unpinned(environment: str, templates: Templates) -> None:
    kinds = ("AWS::KMS::Key", "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SageMaker::ModelPackageGroup")
    for part, template in templates(environment).items():
        holding = {name for kind in kinds for name in of_type(template, kind)}
        assert holding <= {*PINNED.get(part, {}), *LOGS, *EXPENDABLE}, part


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
@pytest.mark.parametrize(("keys", "writer"), [("datasets", "Trigger"), ("code", "SourceCodePublish")])
def test_what_executions_run_on_is_written_by_one_role(
    keys: str, writer: str, environment: str, templates: Templates
) -> None:
    (statement,) = [
        statement
        for policy in of_type(templates(environment)["data"], "AWS::S3::BucketPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "WrittenByOneRole" and f"/{keys}/*" in json.dumps(statement["Resource"])
    ]
    assert (statement["Effect"], statement["Action"], statement["Principal"]) == ("Deny", "s3:PutObject", {"AWS": "*"})
    # CloudFormation names a role after its stack and logical id: the pattern has to fit the role there is.
    patterns = [arn["Fn::Join"][1][-1] for arn in statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"]]
    roles = of_type(templates(environment)["training"], "AWS::IAM::Role")
    writers = [name for name in roles if f":role/cxr-{environment}-training-{name}".startswith(patterns[0].rstrip("*"))]
    assert patterns == [
        f":role/cxr-{environment}-training-{writer}*",
        f":assumed-role/cxr-{environment}-training-{writer}*",
    ]
    assert [name for name in writers if name.startswith(f"{writer}Role")] == writers
    assert len(writers) == 1


def test_uploads_are_announced_without_a_function_of_the_cdk(templates: Templates) -> None:
    template = Template.from_json(templates("prod")["data"])
    template.resource_count_is("AWS::Lambda::Function", 0)
    template.resource_count_is("Custom::S3BucketNotifications", 0)
    template.has_resource_properties(
        "AWS::S3::Bucket",
        {"NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}},
    )


def key_statements(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return statements_of(template, "Key961B73FD")


def statements_of(template: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    """Statements of a key's policy, by their ids."""
    policy = template["Resources"][key]["Properties"]["KeyPolicy"]
    return {statement["Sid"]: statement for statement in policy["Statement"]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_who_administers_the_key_reads_nothing_with_it(environment: str, templates: Templates) -> None:
    statement = key_statements(templates(environment)["data"])["Administration"]
    reading = {"Decrypt", "Encrypt", "GenerateDataKey", "ReEncrypt", "CreateGrant", "*"}
    assert not [action for action in statement["Action"] if any(word in action for word in reading)]
    # Without these the key could never be changed or removed again.
    assert {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"} <= set(statement["Action"])


@pytest.mark.parametrize("key", ["Key961B73FD", "SigningKeyEEFC2790"])
def test_who_makes_a_key_may_change_its_policy_before_its_tags_count(key: str, templates: Templates) -> None:
    """KMS refuses a new key otherwise, and the rights of docs/deployment-roles.json know a key by its tags."""
    statement = statements_of(templates("dev")["data"], key)["KeptByDeployments"]
    assert statement["Action"] == "kms:PutKeyPolicy", "and nothing with what it holds"
    assert text(statement["Principal"]["AWS"]).endswith(
        ":iam::<account>:role/cdk-hnb659fds-cfn-exec-role-<account>-us-east-1"
    )
    assert "Condition" not in statement


def test_the_role_is_that_of_the_qualifier_which_the_stacks_are_deployed_with() -> None:
    """KMS refuses a policy that names a role that is not there, and the context may name another bootstrap."""
    for context, role in (({}, "cdk-hnb659fds-cfn"), ({"@aws-cdk/core:bootstrapQualifier": "team1"}, "cdk-team1-cfn")):
        stack = Stack(App(context=context), "Stack")
        assert f":role/{role}-exec-role-" in str(stack.resolve(kept_by_deployments(stack).to_statement_json()))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_key_is_used_by_this_environment_s_roles_or_through_a_service(
    environment: str, templates: Templates
) -> None:
    statements = key_statements(templates(environment)["data"])
    del statements["Administration"], statements["KeptByDeployments"]
    conditions = {sid: statement["Condition"] for sid, statement in statements.items()}
    roles = conditions["UseByRolesOfTheStacks"]["ArnLike"]["aws:PrincipalArn"]["Fn::Join"][1][-1]
    assert roles == f":role/cxr-{environment}-*"
    services = list(map(text, conditions["UseThroughServices"]["StringEquals"]["kms:ViaService"]))
    assert "s3.us-east-1.amazonaws.com" in services
    assert all(service.endswith(".us-east-1.amazonaws.com") for service in services)
    assert conditions["GrantsToServices"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    assert all(conditions.values())


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_role_that_is_allowed_the_key_is_named_by_its_policy(environment: str, templates: Templates) -> None:
    """IAM allows it and the key's policy does too, or nothing can be read: the role's name has to begin as it says."""
    for part, template in templates(environment).items():
        for name, policy in of_type(template, "AWS::IAM::Policy").items():
            if "kms:Decrypt" in str(policy):
                for role in policy["Properties"]["Roles"]:
                    properties = template["Resources"][role["Ref"]]["Properties"]
                    # CloudFormation begins a generated name with the stack's: cxr-<environment>-<part>.
                    assert "RoleName" not in properties, f"{part}: {name}"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_one_role_signs_and_writes_statements_and_whoever_decides_does_not(
    environment: str, templates: Templates
) -> None:
    """Signing and approving are apart: neither role may do what the other does."""
    template = templates(environment)["data"]
    statements = statements_of(template, "SigningKeyEEFC2790")
    signing = [
        sid for sid, one in statements.items() if {"kms:Sign", "kms:*", "kms:CreateGrant"} & set(listed(one["Action"]))
    ]
    assert signing == ["SigningByOneRole"]
    (named,) = statements["SigningByOneRole"]["Condition"].values()
    prefixes = [text(one).rpartition("/")[2] for one in named["aws:PrincipalArn"]]
    (writing,) = (
        statement
        for policy in of_type(template, "AWS::S3::BucketPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "SignaturesWrittenByOneRole"
    )
    assert prefixes == [f"cxr-{environment}-release-Sign*"] * 2
    assert [text(one).rpartition("/")[2] for one in writing["Condition"]["ArnNotLike"]["aws:PrincipalArn"]] == prefixes
    assert (writing["Effect"], text(writing["Resource"]).rpartition("Arn>")[2]) == ("Deny", "/signatures/*")

    rights: dict[str, set[str]] = {}
    for part, one in templates(environment).items():
        for policy in of_type(one, "AWS::IAM::Policy").values():
            allowed = {
                action
                for each in policy["Properties"]["PolicyDocument"]["Statement"]
                for action in listed(each["Action"])
            }
            for role in policy["Properties"]["Roles"]:
                rights.setdefault(f"cxr-{environment}-{part}-{role['Ref']}", set()).update(allowed)
    (signer,) = (role for role, allowed in rights.items() if "kms:Sign" in allowed)
    assert [role for role in rights if role.startswith(prefixes[0].rstrip("*"))] == [signer]
    assert not {"sagemaker:UpdateModelPackage", "cloudformation:UpdateStack"} & rights[signer]
    (releasing,) = (role for role, allowed in rights.items() if "cloudformation:UpdateStack" in allowed)
    assert {"kms:Verify", "kms:DescribeKey"} <= rights[releasing]


def test_the_key_rotates(templates: Templates) -> None:
    Template.from_json(templates("dev")["data"]).has_resource_properties("AWS::KMS::Key", {"EnableKeyRotation": True})


@pytest.mark.parametrize(
    ("environment", "policy"),
    [("dev", "Delete"), ("staging", "Delete"), ("prod", "RetainExceptOnCreate"), ("laptop", "Delete")],
)
def test_stateful_resources_go_with_the_stack_only_where_settings_say_so(
    environment: str, policy: str, templates: Templates
) -> None:
    resources = templates(environment)["data"]["Resources"]
    assert {resources[name]["DeletionPolicy"] for name in PINNED["data"]} == {policy}


def test_buckets_that_go_with_the_stack_are_emptied_first(templates: Templates) -> None:
    """CloudFormation deletes no bucket that holds objects."""
    for environment in ("dev", "staging", "laptop"):
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
        assert expiring in (
            ["incoming/", "evaluations/", "uploads/", "batches/"],
            ["capture/", "site-images/", "checkpoints/"],
        )


def test_checkpoints_that_were_replaced_are_gone_in_a_day(templates: Templates) -> None:
    """Up to 1,440 a day of 0.38 GB each; the newest stays while a failed execution may be retried."""
    for environment in ("dev", "prod"):
        rules = [
            rule
            for bucket in of_type(templates(environment)["data"], "AWS::S3::Bucket").values()
            for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]
            if rule.get("Prefix") == "checkpoints/"
        ]
        assert rules == [
            {
                "Id": "Checkpoints",
                "Prefix": "checkpoints/",
                "Status": "Enabled",
                "ExpirationInDays": 7,
                "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            }
        ]


@pytest.mark.parametrize("spot", [False, True])
@pytest.mark.parametrize("tuning", [False, True])
def test_checkpoints_are_written_where_their_rule_looks(spot: bool, tuning: bool) -> None:
    (step,) = (
        step
        for step in json.loads(definition_file(spot=spot, tuning=tuning).read_text())["Steps"]
        if step["Name"] == "TrainModel"
    )
    job = step["Arguments"].get("TrainingJobDefinition", step["Arguments"])
    begin, execution = job["CheckpointConfig"]["S3Uri"]["Std:Join"]["Values"]
    assert begin == f"s3://${{ArtifactBucketName}}/{CHECKPOINT_PREFIX}"
    assert execution == {"Get": "Execution.PipelineExecutionId"}


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_prod_and_its_rehearsal_log_who_read_what(environment: str, templates: Templates) -> None:
    template = Template.from_json(templates(environment)["data"])
    for prefix in ("Data/", "Artifacts/"):
        template.has_resource_properties(
            "AWS::S3::Bucket",
            {"LoggingConfiguration": {"DestinationBucketName": Match.any_value(), "LogFilePrefix": prefix}},
        )


def test_data_events_are_recorded_where_settings_say_so(templates: Templates, audited: dict[str, Any]) -> None:
    assert not of_type(templates("prod")["data"], "AWS::CloudTrail::Trail")
    template = audited["data"]
    (trail,) = of_type(template, "AWS::CloudTrail::Trail").values()
    properties = trail["Properties"]
    (selector,) = properties["AdvancedEventSelectors"]
    fields = {field["Field"]: field for field in selector["FieldSelectors"]}

    assert (properties["IsLogging"], properties["EnableLogFileValidation"]) == (True, True)
    assert fields["eventCategory"]["Equals"] == ["Data"]
    watched = [arn["Fn::Join"][1] for arn in fields["resources.ARN"]["StartsWith"]]
    # The slash keeps buckets out whose names only begin like these.
    assert [(parts[0]["Fn::GetAtt"][0], parts[-1]) for parts in watched] == [
        ("Data2D4B752F", "/"),
        ("Artifacts80C0BB10", "/"),
    ]


def test_cloudtrail_may_write_before_it_begins(audited: dict[str, Any]) -> None:
    """It checks the bucket's policy when the trail is made, which names the trail it is for."""
    template = audited["data"]
    (trail,) = of_type(template, "AWS::CloudTrail::Trail").values()
    policies = of_type(template, "AWS::S3::BucketPolicy")
    (policy,) = (name for name in trail["DependsOn"] if name in policies)
    writing = [
        statement
        for statement in policies[policy]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Principal"] == {"Service": "cloudtrail.amazonaws.com"}
    ]

    assert policies[policy]["Properties"]["Bucket"] == trail["Properties"]["S3BucketName"]
    assert [statement["Action"] for statement in writing] == ["s3:GetBucketAcl", "s3:PutObject"]
    for statement in writing:
        arn = statement["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Join"][1]
        assert arn[-1] == f":trail/{trail['Properties']['TrailName']}"
