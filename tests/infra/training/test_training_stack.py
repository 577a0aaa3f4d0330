"""An upload starts the pipeline that was reviewed, with this environment's defaults."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.settings.environment import Settings
from infra.settings.section import SettingsError
from model_code.contract.parameters import SPOT
from policy.template import text
from tests.infra.conftest import ENVIRONMENTS, of_type, pipeline_of, untagged


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Match, Template, trigger_memory_mb
    from aws_cdk.assertions import Match, Template

    from infra.training.training_stack import trigger_memory_mb


REPOSITORY = Path(__file__).resolve().parents[3]
CARRIED = ("SourceCodeUri", "EngineLibraryUri", "DicomLibraryUri")
Templates = Callable[[str], dict[str, dict[str, Any]]]


def definition(template: dict[str, Any], name: str = "Pipeline") -> tuple[dict[str, Any], dict[str, Any]]:
    """The pipeline's definition, placeholders left in, and what fills them."""
    pipeline = pipeline_of(template, name)
    body, values = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    return json.loads(body), values


def defaults(body: dict[str, Any]) -> dict[str, Any]:
    return {parameter["Name"]: parameter.get("DefaultValue") for parameter in body["Parameters"]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_pipeline_is_the_committed_one_but_for_its_defaults(environment: str, templates: Templates) -> None:
    committed = json.loads((REPOSITORY / "pipeline" / "definition.json").read_text(encoding="utf-8"))
    body, _ = definition(templates(environment)["training"])

    assert untagged(body) == committed["Steps"]
    assert [parameter["Name"] for parameter in body["Parameters"]] == [
        parameter["Name"] for parameter in committed["Parameters"]
    ]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_settings_are_the_defaults(environment: str, templates: Templates, context: dict[str, Any]) -> None:
    settings = Settings.load({**context, "env": environment})
    body, _ = definition(templates(environment)["training"])
    stated = defaults(body)

    assert stated["InputArchiveUri"] is None, "a start has to name its archive"
    assert stated["TrainingImageUri"] == "${TrainingImageUri}"
    assert {name: stated[name] for name in settings.pipeline.defaults()} == settings.pipeline.defaults()


@pytest.mark.parametrize(
    ("environment", "training"),
    [
        ("dev", "tensorflow-training:2.21-gpu-py312-cu129-amzn2023-sagemaker-v1"),
        ("laptop", "tensorflow-training:2.21-cpu-py312-amzn2023-sagemaker-v1"),
    ],
)
def test_images_fit_the_instances(environment: str, training: str, templates: Templates) -> None:
    _, values = definition(templates(environment)["training"])

    registry = "763104351884.dkr.ecr.us-east-1."
    joined = {name: json.dumps(value) for name, value in values.items()}
    assert registry in joined["TrainingImageUri"]
    assert training in joined["TrainingImageUri"]
    assert "tensorflow-training:2.21-cpu-" in joined["ProcessingImageUri"]
    assert "tensorflow-inference:2.20-cpu-" in joined["ServingImageUri"]


def test_the_registry_follows_the_region(
    context: dict[str, Any], synthesise: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    context["environments"]["dev"]["region"] = "eu-south-1"
    _, values = definition(synthesise(context)["training"])
    assert "692866216735.dkr.ecr.eu-south-1." in json.dumps(values["TrainingImageUri"])


def test_a_region_without_images_is_refused(
    context: dict[str, Any], synthesise: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    context["environments"]["dev"]["region"] = "xx-nowhere-1"
    with pytest.raises(SettingsError, match=r"no Deep Learning Containers in xx-nowhere-1"):
        synthesise(context)


def test_spot_deploys_the_spot_pipeline(
    context: dict[str, Any], synthesise: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    context["environments"]["dev"]["pipeline"] = {"spot": True}
    body, _ = definition(synthesise(context)["training"])

    (training,) = (step for step in body["Steps"] if step["Name"] == "TrainModel")
    assert training["Arguments"]["EnableManagedSpotTraining"] is True
    assert defaults(body)["MaxWaitSeconds"] == SPOT["MaxWaitSeconds"].default


def test_tuning_deploys_the_tuning_pipeline(tuned: dict[str, Any]) -> None:
    committed = json.loads((REPOSITORY / "pipeline" / "definition-tuning.json").read_text(encoding="utf-8"))
    body, _ = definition(tuned)

    assert untagged(body) == committed["Steps"]
    assert defaults(body)["TuningJobs"] == 12


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_pipeline_asks_the_function_that_knows_the_endpoint(environment: str, templates: Templates) -> None:
    template = templates(environment)["training"]
    _, values = definition(template)
    function, _attribute = values["FindServingModelFunctionArn"]["Fn::GetAtt"]
    properties = template["Resources"][function]["Properties"]
    variables = properties["Environment"]["Variables"]

    assert properties["Handler"] == "lambdas.find_serving_model.handler.handle"
    assert variables["ENDPOINT_NAME"] == f"cxr-{environment}"
    # An input has to exist even if nothing serves: the source code does.
    assert variables["NOTHING_SERVED_URI"] == values["SourceCodeUri"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", ["EngineLibraryUri", "DicomLibraryUri"])
def test_jobs_get_their_libraries_but_on_the_laptop(name: str, environment: str, templates: Templates) -> None:
    """There the environment has them, and an input, which cannot be empty, holds the source code."""
    _, values = definition(templates(environment)["training"])
    if environment == "laptop":
        assert values[name] == values["SourceCodeUri"]
    else:
        # Jobs tell libraries from what else may be in the input by their suffix.
        assert json.dumps(values[name]).rstrip('"]}').endswith(".zip")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_patients_have_one_key_that_one_role_writes_and_one_reads(environment: str, templates: Templates) -> None:
    training, data = templates(environment)["training"], templates(environment)["data"]
    (made,) = of_type(training, "Custom::PatientKey").values()
    assert made["Properties"]["Key"] == "keys/patients"
    for pipeline in of_type(training, "AWS::SageMaker::Pipeline").values():
        assert any(name.startswith("PatientKeyMade") for name in pipeline["DependsOn"])

    secret = {
        statement["Sid"]: statement
        for policy in of_type(data, "AWS::S3::BucketPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement.get("Sid", "").startswith("Secret")
    }
    roles = [f":role/cxr-{environment}-training-{name}" for name in of_type(training, "AWS::IAM::Role")]
    for sid, actions, name in (
        ("SecretWrittenByOneRole", "s3:PutObject", "PatientKeyMakerRole"),
        ("SecretReadByOneRole", ["s3:GetObject", "s3:GetObjectVersion"], "DecodeRole"),
    ):
        statement = secret[sid]
        assert (statement["Effect"], statement["Action"], statement["Principal"]) == ("Deny", actions, {"AWS": "*"})
        assert statement["Resource"]["Fn::Join"][1][-1] == "/keys/patients"
        start = statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"][0]["Fn::Join"][1][-1].rstrip("*")
        (fitting,) = [role for role in roles if role.startswith(start)]
        assert fitting.startswith(f":role/cxr-{environment}-training-{name}")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("part", ["training", "monitoring"])
def test_an_execution_may_read_its_code_after_the_next_deployment(
    part: str, environment: str, templates: Templates
) -> None:
    """It keeps the address that it started with: roles that may read one hash only would take its code away."""
    template = templates(environment)[part]
    bodies = [
        pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"][1]
        for pipeline in of_type(template, "AWS::SageMaker::Pipeline").values()
    ]
    addresses = [values[name]["Fn::Join"][1] for values in bodies for name in CARRIED if name in values]
    assert {(start, next(iter(bucket))) for start, bucket, _ in addresses} == {("s3://", "Fn::ImportValue")}
    assert all(key.startswith("/code/") for *_, key in addresses)

    policies = {
        name: statement
        for name, policy in of_type(template, "AWS::IAM::Policy").items()
        if name.startswith(("DecodeRole", "StepRole", "SiteEvaluationSiteRole", "MonitorRole"))
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "s3:GetObject" in statement["Action"] and "/code/*" in json.dumps(statement["Resource"])
    }
    roles = {"training": ["DecodeRole", "SiteEvaluationSiteRole", "StepRole"], "monitoring": ["MonitorRole"]}[part]
    assert sorted(name.partition("DefaultPolicy")[0] for name in policies) == roles
    assert "cdk-hnb659fds-assets" not in json.dumps(
        [item for name, item in of_type(template, "AWS::IAM::Policy").items() if name.startswith(tuple(policies))]
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_code_is_there_before_an_execution_can_start_and_never_expires(
    environment: str, templates: Templates
) -> None:
    training, data = templates(environment)["training"], templates(environment)["data"]
    (published,) = of_type(training, "Custom::SourceCode")
    for pipeline in of_type(training, "AWS::SageMaker::Pipeline").values():
        assert published in pipeline["DependsOn"]
    files = training["Resources"][published]["Properties"]["Files"]
    assert len(files) == (1 if environment == "laptop" else 3)
    (bucket,) = [item for name, item in of_type(data, "AWS::S3::Bucket").items() if name.startswith("Artifacts")]
    for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]:
        expires = "ExpirationInDays" in rule
        assert not expires or not "code/".startswith(rule["Prefix"]), rule["Id"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_whatever_lies_below_incoming_triggers_and_copies_do_not(environment: str, templates: Templates) -> None:
    """Nothing is without an answer; the copies that the function makes start no next round."""
    rules = of_type(templates(environment)["training"], "AWS::Events::Rule")
    (rule,) = (
        item for item in rules.values() if item["Properties"].get("EventPattern", {}).get("source") == ["aws.s3"]
    )
    pattern = rule["Properties"]["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
    assert list(pattern["detail"]["bucket"]["name"][0]) == ["Fn::ImportValue"]
    assert pattern["detail"]["object"] == {"key": [{"prefix": "incoming/"}]}
    written = {
        key
        for name, policy in of_type(templates(environment)["training"], "AWS::IAM::Policy").items()
        if name.startswith("Trigger")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "s3:PutObject" in statement["Action"]
        for key in re.findall(r"/incoming/[^\"]*", json.dumps(statement["Resource"]))
    }
    assert written == {"/incoming/*.rejected.json"}, "the uploads that the function passes over are those it makes"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_upload_that_is_gone_can_be_told_from_one_that_may_not_be_read(
    environment: str, templates: Templates
) -> None:
    """S3 answers 403 and not 404 to whoever may not list; a condition on the prefix would apply to no such request."""
    listing = [
        statement
        for name, policy in of_type(templates(environment)["training"], "AWS::IAM::Policy").items()
        if name.startswith("Trigger")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "s3:ListBucket" and "Condition" not in statement
    ]
    assert [statement["Effect"] for statement in listing] == ["Allow"]


@pytest.mark.parametrize("files", [10, 100_000, 400_000, 1_000_000])
def test_an_archive_of_as_many_files_as_settings_accept_is_judged_in_memory(files: int) -> None:
    """Lambda ends a function that needs more, and the uploader hears nothing."""
    measured_mb = 65 + files * 2013 / 2**20
    assert measured_mb + 50 < trigger_memory_mb(files) <= 3008, "more is not allowed in every account"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_trigger_function_has_the_memory_that_its_archives_need(
    environment: str, templates: Templates, context: dict[str, Any]
) -> None:
    settings = Settings.load({**context, "env": environment})
    (trigger,) = (
        one["Properties"]
        for one in of_type(templates(environment)["training"], "AWS::Lambda::Function").values()
        if one["Properties"]["Handler"] == "lambdas.trigger.handler.handle"
    )
    assert trigger["MemorySize"] == trigger_memory_mb(settings.archive.max_files)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_function_that_a_step_calls_is_kept_ready(environment: str, templates: Templates) -> None:
    """Lambda refuses the first call of one that was not called for weeks, and a Lambda step is not repeated: an
    execution would fail after its training."""
    template = templates(environment)["training"]
    (rule,) = (
        one["Properties"]
        for one in of_type(template, "AWS::Events::Rule").values()
        if "ScheduleExpression" in one["Properties"]
    )
    assert rule["ScheduleExpression"] == "rate(1 day)"
    (target,) = rule["Targets"]
    called = template["Resources"][target["Arn"]["Fn::GetAtt"][0]]["Properties"]
    assert called["Handler"] == "lambdas.find_serving_model.handler.handle"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_drift_alarm_starts_training_where_settings_say_so(environment: str, templates: Templates) -> None:
    rules = of_type(templates(environment)["training"], "AWS::Events::Rule")
    found = [item["Properties"] for name, item in rules.items() if name.startswith("UploadsDrift")]
    if environment != "laptop":
        assert not found
        return
    pattern = found[0]["EventPattern"]
    alarms = {
        alarm["Properties"]["AlarmName"]
        for alarm in of_type(templates(environment)["monitoring"], "AWS::CloudWatch::Alarm").values()
    }
    assert pattern["detail-type"] == ["CloudWatch Alarm State Change"]
    assert pattern["detail"]["state"] == {"value": ["ALARM"]}
    assert set(pattern["detail"]["alarmName"]) <= alarms, "it waits for an alarm that there is"


def test_the_trigger_knows_its_limits(templates: Templates, context: dict[str, Any]) -> None:
    archive = context["shared"]["archive"]
    Template.from_json(templates("dev")["training"]).has_resource_properties(
        "AWS::Lambda::Function",
        {
            "Handler": "lambdas.trigger.handler.handle",
            "Environment": {
                "Variables": Match.object_like(
                    {
                        "PIPELINE_NAME": "cxr-dev",
                        "MAX_ARCHIVE_BYTES": str(archive["max_bytes"]),
                        "MAX_UNCOMPRESSED_BYTES": str(archive["max_uncompressed_bytes"]),
                        "MAX_FILES": str(archive["max_files"]),
                    }
                )
            },
        },
    )


def test_notifications_reach_the_address_in_the_settings(
    context: dict[str, Any], templates: Templates, synthesise: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    assert not of_type(templates("dev")["training"], "AWS::SNS::Subscription")
    context["environments"]["dev"]["notification_email"] = "radiology@example.org"
    Template.from_json(synthesise(context)["training"]).has_resource_properties(
        "AWS::SNS::Subscription", {"Protocol": "email", "Endpoint": "radiology@example.org"}
    )


@pytest.mark.parametrize("environment", ["dev", "laptop"])
def test_registered_models_go_before_their_group(environment: str, templates: Templates) -> None:
    """SageMaker deletes no group that holds versions; CloudFormation deletes what depends on the group first."""
    template = templates(environment)["training"]
    (group,) = of_type(template, "AWS::SageMaker::ModelPackageGroup")
    (emptied,) = of_type(template, "Custom::ModelPackages").values()

    assert group in emptied["DependsOn"]
    assert emptied["Properties"]["ModelPackageGroupName"] == f"cxr-{environment}"


def test_registered_models_stay_where_settings_retain(templates: Templates) -> None:
    template = templates("prod")["training"]
    (group,) = of_type(template, "AWS::SageMaker::ModelPackageGroup").values()

    # Of a first deployment that failed nothing stays: the group's fixed name would refuse the second one.
    assert (group["DeletionPolicy"], group["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert not of_type(template, "Custom::ModelPackages")


@pytest.mark.parametrize("environment", ["dev", "staging", "laptop"])
def test_what_deletes_models_may_ask_whether_its_own_stack_is_deleted(environment: str, templates: Templates) -> None:
    """Without the right no model is deleted, and no environment that had one removed."""
    policies = of_type(templates(environment)["training"], "AWS::IAM::Policy")
    (policy,) = (item for name, item in policies.items() if name.startswith("RegistryPurgeRole"))
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    asking = {"Action": "cloudformation:DescribeStacks", "Effect": "Allow", "Resource": {"Ref": "AWS::StackId"}}
    assert asking in statements


def test_who_registers_a_model_may_look_at_its_image(templates: Templates) -> None:
    """SageMaker notes the image's digest, and may ask for it in the name of who registers."""
    policies = of_type(templates("dev")["training"], "AWS::IAM::Policy").values()
    statements = [policy["Properties"]["PolicyDocument"]["Statement"] for policy in policies]
    registering = [held for held in statements if "sagemaker:CreateModelPackage" in json.dumps(held)]
    assert len(registering) == 3, "the pipelines of training and of both calibrations"
    for held in registering:
        (looking,) = (one for one in held if one["Action"] == ["ecr:BatchGetImage", "ecr:DescribeImages"])
        assert text(looking["Resource"]).endswith(":repository/tensorflow-inference"), "the one that a version names"
