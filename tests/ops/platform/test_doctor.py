"""`cxr doctor` finds what would fail later, and says what to do about each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from ops.base import tools
from ops.base.assembly import Assembly, Resource
from ops.base.errors import ExitCode
from ops.base.session import Session
from ops.platform import doctor, quotas
from tests.ops.conftest import ENVIRONMENTS, Cloud

REPOSITORY = Path(__file__).resolve().parents[3]
IMAGES = {
    "TrainingImageUri": "tensorflow-training:2.21-gpu-py312-cu129-amzn2023-sagemaker-v1",
    "ServingImageUri": "tensorflow-inference:2.20-cpu-py312-amzn2023-sagemaker-v1",
}


def _join(name: str) -> dict[str, Any]:
    """An image as a template names it."""
    return {"Fn::Join": ["", ["763104351884.dkr.ecr.us-east-1.", {"Ref": "AWS::URLSuffix"}, f"/{name}"]]}


def _pipeline(file: str = "definition.json", **values: Any) -> dict[str, Any]:
    definition = json.loads((REPOSITORY / "pipeline" / file).read_text(encoding="utf-8"))
    defaults = {
        "ProcessingInstanceType": "ml.m5.xlarge",
        "ProcessingInstanceCount": 2,
        "TrainingInstanceType": "ml.g4dn.xlarge",
        "TuningParallelJobs": 3,
        **values,
    }
    for parameter in definition["Parameters"]:
        if parameter["Name"] in defaults:
            parameter["DefaultValue"] = defaults[parameter["Name"]]
    placeholders = {name: _join(image) for name, image in IMAGES.items()}
    return {"PipelineDefinition": {"PipelineDefinitionBody": {"Fn::Sub": [json.dumps(definition), placeholders]}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Templates with a pipeline and an endpoint on two instances that is switched blue/green."""
    variant = {"VariantName": "AllTraffic", "InstanceType": "ml.c6i.xlarge", "InitialInstanceCount": 2}
    resources = {
        "Pipeline": {"Type": "AWS::SageMaker::Pipeline", "Properties": _pipeline()},
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [variant]}},
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {"DeploymentConfig": {}, "EndpointConfigName": {"Fn::GetAtt": ["Config", "Name"]}},
        },
    }
    (tmp_path / "t.json").write_text(json.dumps({"Resources": resources}), encoding="utf-8")
    stack = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/us-east-1",
        "properties": {"templateFile": "t.json", "requiresBootstrapStackVersion": 8},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"cxr-dev-training": stack}}), encoding="utf-8")
    return tmp_path


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Node and the CDK as they should be; a test changes the answers."""
    answers: dict[str, str | None] = {"node": "v24.11.0", "cdk": tools.pinned_cdk()}
    monkeypatch.setattr("ops.base.tools.output_of", lambda command: answers[command[0]])
    monkeypatch.setattr("ops.base.tools.installed_cdk", lambda: answers["cdk"])
    return answers


def _signed_in(cloud: Cloud) -> None:
    arn = "arn:aws:iam::123456789012:user/someone"
    cloud.answers("sts", "get_caller_identity", {"Account": "123456789012", "Arn": arn, "UserId": "u"})


def _bootstrapped(cloud: Cloud, version: int) -> None:
    expected = {"Name": "/cdk-bootstrap/hnb659fds/version"}
    cloud.answers("ssm", "get_parameter", {"Parameter": {"Value": str(version)}}, expected)
    _signed_in(cloud)
    cloud.answers("iam", "list_attached_role_policies", {"AttachedPolicies": [{"PolicyName": "AdministratorAccess"}]})


def _quotas(cloud: Cloud, defaults: Mapping[str, float] | None = None, **values: float) -> None:
    """Have Service Quotas list the defaults, and the account's own values."""
    names = {
        "processing": "ml.m5.xlarge for processing job usage",
        "training": "ml.g4dn.xlarge for training job usage",
        "endpoint": "ml.c6i.xlarge for endpoint usage",
    }
    for operation, listed in (("list_aws_default_service_quotas", defaults or {}), ("list_service_quotas", values)):
        made = [{"QuotaName": names[use], "QuotaCode": f"L-{use}", "Value": value} for use, value in listed.items()]
        if operation == "list_service_quotas":
            totals = (*quotas.TOTALS.values(), quotas.ENDPOINTS)
            made += [{"QuotaName": total, "QuotaCode": "L-total", "Value": 20.0} for total in totals]
        cloud.answers("service-quotas", operation, {"Quotas": made}, {"ServiceCode": "sagemaker"})


def test_a_quota_that_has_only_its_default_is_found(cloud: Cloud, cxr: Callable[..., Result], folder: Path) -> None:
    _signed_in(cloud)
    _bootstrapped(cloud, 30)
    cloud.has_stack("training")
    _quotas(cloud, {"processing": 2, "training": 0, "endpoint": 4}, training=1)
    _image(cloud, IMAGES["ServingImageUri"])
    _image(cloud, IMAGES["TrainingImageUri"])
    _heard(cloud, "arn:aws:sns:us-east-1:123456789012:topic:1")
    result = cxr("doctor", "--assembly", str(folder))
    assert result.exit_code == 0, "the account's own value goes before the default"
    assert "unknown" not in result.stdout


def _image(cloud: Cloud, name: str, *, there: bool = True) -> None:
    repository, _, tag = name.partition(":")
    failure = {"imageId": {"imageTag": tag}, "failureCode": "ImageNotFound", "failureReason": "no such tag"}
    answer = {"images": [{"registryId": "763104351884"}], "failures": []} if there else {"failures": [failure]}
    expected = {"registryId": "763104351884", "repositoryName": repository, "imageIds": [{"imageTag": tag}]}
    cloud.answers("ecr", "batch_get_image", {"images": [], **answer}, expected)


def _heard(cloud: Cloud, *subscriptions: str) -> None:
    """The deployed topic has these subscriptions."""
    topic = "arn:aws:sns:us-east-1:123456789012:topic"
    cloud.has_stack("training", Outputs=[{"OutputKey": "NotificationTopicArn", "OutputValue": topic}])
    answer = {"Subscriptions": [{"SubscriptionArn": arn} for arn in subscriptions]}
    cloud.answers("sns", "list_subscriptions_by_topic", answer, {"TopicArn": topic})


@pytest.mark.parametrize(
    ("subscriptions", "state", "sentence"),
    [
        ([], "wrong", "nobody hears"),
        (["PendingConfirmation"], "wrong", "none of 1 has confirmed"),
        (["PendingConfirmation", "arn:aws:sns:us-east-1:123456789012:topic:1"], "fine", "1 hear"),
    ],
)
def test_an_environment_whose_alarms_nobody_hears_is_reported(
    cloud: Cloud, subscriptions: list[str], state: str, sentence: str
) -> None:
    _heard(cloud, *subscriptions)
    finding = doctor.subscribers(Session(env="dev"), _made(("AWS::CloudWatch::Alarm", {})))
    assert finding.state == state
    assert sentence in finding.found
    assert bool(finding.advice) is (state == "wrong")


def test_before_the_first_deploy_the_templates_say_who_is_to_hear(cloud: Cloud) -> None:
    alarm = ("AWS::CloudWatch::Alarm", {})
    for subscription, state in (([], "wrong"), ([("AWS::SNS::Subscription", {"Endpoint": "a@b.org"})], "fine")):
        cloud.lacks_stack("training")
        finding = doctor.subscribers(Session(env="dev"), _made(alarm, *subscription))
        assert finding.state == state
        assert ("notification_email" in finding.advice) is (state == "wrong")


def test_where_all_is_there_doctor_says_so_and_ends_with_0(
    cloud: Cloud, cxr: Callable[..., Result], folder: Path, installed: dict[str, str | None]
) -> None:
    installed["node"] = "v20.11.0"
    _signed_in(cloud)
    _bootstrapped(cloud, 30)
    cloud.has_stack("training")
    _quotas(cloud, processing=2, training=1, endpoint=4)
    _image(cloud, IMAGES["ServingImageUri"])
    _image(cloud, IMAGES["TrainingImageUri"])
    _heard(cloud, "arn:aws:sns:us-east-1:123456789012:topic:1")
    result = cxr("doctor", "--assembly", str(folder))
    assert result.exit_code == 0
    assert "user/someone in account 123456789012" in result.stdout
    assert "v20.11.0, on which AWS no longer supports the CDK" in " ".join(result.stdout.split())
    assert "wrong" not in result.stdout
    assert result.stderr == ""
    cloud.all_asked()


def test_each_thing_that_is_missing_is_named_with_what_to_do(
    cloud: Cloud, cxr: Callable[..., Result], folder: Path, installed: dict[str, str | None]
) -> None:
    installed.update(node="v18.0.0", cdk="3.0.0 (build 1)")
    _signed_in(cloud)
    _bootstrapped(cloud, 7)
    cloud.has_stack("training", status="UPDATE_ROLLBACK_FAILED")
    _quotas(cloud, processing=1, training=0)
    _image(cloud, IMAGES["ServingImageUri"], there=False)
    _image(cloud, IMAGES["TrainingImageUri"])
    cloud.lacks_stack("training")
    result = cxr("doctor", "--assembly", str(folder), "--json")
    assert result.exit_code == ExitCode.FAILED
    found = {finding["check"]: finding for finding in json.loads(result.stdout)}
    states = {check: finding["state"] for check, finding in found.items()}
    assert states == {
        "node": "wrong",
        "cdk": "wrong",
        "credentials": "fine",
        "region": "fine",
        "bootstrap": "wrong",
        "rights": "fine",
        "stack: cxr-dev-training": "wrong",
        "quota: ml.m5.xlarge for processing job usage": "wrong",
        "quota: ml.g4dn.xlarge for training job usage": "wrong",
        f"quota: {quotas.TOTALS['processing job usage']}": "fine",
        f"quota: {quotas.TOTALS['training job usage']}": "fine",
        f"quota: {quotas.ENDPOINTS}": "fine",
        "quota: ml.c6i.xlarge for endpoint usage": "unknown",
        f"image: {IMAGES['ServingImageUri']}": "wrong",
        f"image: {IMAGES['TrainingImageUri']}": "fine",
        "subscribers": "wrong",
    }
    assert found["bootstrap"]["found"] == "version 7, 8 is needed"
    assert "make bootstrap ENV=dev" in found["bootstrap"]["advice"]
    training = found["quota: ml.g4dn.xlarge for training job usage"]
    assert "--quota-code L-training --desired-value 1 --region us-east-1" in training["advice"]
    assert f"package.json pins {tools.pinned_cdk()}" in found["cdk"]["advice"]


def test_a_region_that_was_never_bootstrapped_gets_the_command(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    for _ in ("credentials", "rights"):
        _signed_in(cloud)
    cloud.fails("ssm", "get_parameter", "ParameterNotFound")
    cloud.fails("iam", "list_attached_role_policies", "NoSuchEntity")
    result = cxr("doctor", "--assembly", str(tmp_path))
    assert result.exit_code == ExitCode.FAILED
    assert "us-east-1 is not bootstrapped" in result.stdout
    assert "make bootstrap ENV=dev" in result.stderr
    assert "run `make synth ENV=dev` first" in result.stderr, "without templates nobody knows what is needed"


def test_without_credentials_nothing_more_is_asked_of_aws(
    cloud: Cloud, cxr: Callable[..., Result], folder: Path
) -> None:
    cloud.fails("sts", "get_caller_identity", "ExpiredToken")
    result = cxr("doctor", "--assembly", str(folder))
    assert result.exit_code == ExitCode.FAILED
    assert "The AWS session has expired" in result.stderr
    assert result.stdout.count("not asked without credentials") == 9


def test_what_a_role_may_not_look_at_is_unknown_and_no_success(
    cloud: Cloud, cxr: Callable[..., Result], folder: Path
) -> None:
    for _ in ("credentials", "rights"):
        _signed_in(cloud)
    cloud.fails("ssm", "get_parameter", "AccessDeniedException", "no")
    cloud.fails("iam", "list_attached_role_policies", "AccessDenied", "no")
    cloud.fails("service-quotas", "list_aws_default_service_quotas", "AccessDeniedException", "no")
    cloud.fails("ecr", "batch_get_image", "AccessDeniedException", "no")
    for _ in ("stacks", "subscribers"):
        cloud.fails("cloudformation", "describe_stacks", "AccessDenied", "no")
    result = cxr("doctor", "--assembly", str(folder))
    assert result.exit_code == ExitCode.UNAVAILABLE, "a script must not take silence for health"
    assert result.stdout.count("could not be asked") == 6


def test_of_the_laptops_cloud_only_what_it_has_is_asked(
    cloud: Cloud, cxr: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    _signed_in(cloud)
    result = cxr("doctor", "--assembly", str(folder))
    assert result.exit_code == 0
    assert result.stdout.count("not of the laptop's cloud") == 9


def _by_type(needed: Mapping[str, int]) -> dict[str, int]:
    """The quotas of one instance type each."""
    return {name: least for name, least in needed.items() if " for " in name}


def _made(*resources: tuple[str, dict[str, Any]]) -> Assembly:
    return Assembly("dev", "us-east-1", tuple(Resource("part", f"R{n}", *one) for n, one in enumerate(resources)))


@pytest.mark.parametrize(
    ("file", "quota", "least"),
    [
        ("definition.json", "ml.g4dn.xlarge for training job usage", 1),
        ("definition-spot.json", "ml.g4dn.xlarge for spot training job usage", 1),
        ("definition-tuning.json", "ml.g4dn.xlarge for training job usage", 3),
        ("definition-tuning-spot.json", "ml.g4dn.xlarge for spot training job usage", 3),
    ],
)
def test_spot_has_a_quota_of_its_own_and_a_search_needs_several(file: str, quota: str, least: int) -> None:
    needed = quotas.needed_quotas(_made(("AWS::SageMaker::Pipeline", _pipeline(file))))
    assert needed[quotas.TOTALS[quota.partition(" for ")[2]]] == least, "of all types together"
    assert _by_type(needed) == {"ml.m5.xlarge for processing job usage": 2, quota: least}


def test_a_defect_is_not_taken_for_something_that_cannot_be_asked() -> None:
    def broken() -> Any:
        raise KeyError("a defect of ours")

    with pytest.raises(KeyError):
        list(doctor._each("bootstrap", broken))


_TOGETHER = {
    "Number of instances across all processing jobs": 5,
    "Number of instances across all training jobs": 1,
    "Number of instances across all transform jobs": 2,
    "Maximum number of SageMaker Model Package Groups allowed per account": 1,
}


@pytest.mark.parametrize(
    ("environment", "needed"),
    [
        (
            "dev",
            {
                # The pipelines of training, site evaluation, both calibrations and monitoring at the same time.
                "ml.m5.xlarge for processing job usage": 5,
                "ml.g4dn.xlarge for training job usage": 1,
                "ml.c6i.xlarge for transform job usage": 2,
                **_TOGETHER,
                # Of the endpoint that answers, which is serverless.
                quotas.SERVERLESS: 5,
            },
        ),
        (
            "prod",
            {
                "ml.m5.xlarge for processing job usage": 5,
                "ml.g4dn.xlarge for training job usage": 1,
                "ml.c6i.xlarge for transform job usage": 2,
                **_TOGETHER,
                # Six that scaling may reach, twice while a release switches, and four of the asynchronous endpoint.
                "ml.c6i.xlarge for endpoint usage": 16,
                quotas.ENDPOINTS: 16,
            },
        ),
    ],
)
def test_what_an_environment_needs_follows_from_its_own_templates(
    assemblies: Callable[[str], Path], environment: str, needed: dict[str, int]
) -> None:
    assert quotas.needed_quotas(Assembly.read(assemblies(environment), environment)) == needed


def test_the_quotas_in_the_documents_are_those_of_the_templates(assemblies: Callable[[str], Path]) -> None:
    """Whoever asks for what the table says must not find out in the first release that it is a quarter of it."""
    text = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if re.search(r"(usage|endpoints|jobs|account)` \|", line)
    ]
    table = {quota: dict(zip(("dev", "staging", "prod"), numbers, strict=True)) for quota, *numbers, _why in rows}
    for environment in ("dev", "staging", "prod"):
        needed = quotas.needed_quotas(Assembly.read(assemblies(environment), environment))
        told = {quota: int(numbers[environment]) for quota, numbers in table.items() if numbers[environment] != "-"}
        assert told == needed, environment


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_templates_of_every_environment_are_examined_to_the_end(
    cloud: Cloud, cxr: Callable[..., Result], assemblies: Callable[[str], Path], environment: str
) -> None:
    _signed_in(cloud)
    _bootstrapped(cloud, 30)
    examined = Assembly.read(assemblies(environment), environment)
    for part in (*examined.parts, "training"):
        message = f"Stack with id cxr-{environment}-{part} does not exist"
        cloud.fails("cloudformation", "describe_stacks", "ValidationError", message)
    cloud.fails("sagemaker", "describe_model_package_group", "ValidationException", "the group does not exist")
    cloud.answers("apigateway", "get_account", {})
    needed = quotas.needed_quotas(examined)
    listed = [{"QuotaName": name, "QuotaCode": "L-1", "Value": float(least)} for name, least in needed.items()]
    cloud.answers("service-quotas", "list_aws_default_service_quotas", {"Quotas": listed})
    cloud.answers("service-quotas", "list_service_quotas", {"Quotas": []})
    cloud.answers("lambda", "get_account_settings", {"AccountLimit": {"ConcurrentExecutions": 1000}})
    cloud.answers("lambda", "get_layer_version_by_arn", {})
    for _ in doctor.image_names(examined):
        cloud.answers("ecr", "batch_get_image", {"images": [{"registryId": "763104351884"}], "failures": []})
    result = cxr("--env", environment, "doctor", "--assembly", str(assemblies(environment)), "--json")
    states = {finding["check"]: finding["state"] for finding in json.loads(result.stdout)}
    assert states.pop("subscribers") == "wrong", "no address is in cdk.json"
    assert set(states.values()) == {"fine"}
    assert "quota: Lambda concurrent executions" in states
    assert len(states) > len(needed) + 4


def test_the_checklist_before_adoption_names_every_check_and_no_other(
    cxr: Callable[..., Result],
) -> None:
    page = (REPOSITORY / "docs" / "adoption.md").read_text(encoding="utf-8")
    table = page[page.index("| check |") :].split("\n\n")[0].splitlines()[2:]
    named = [name for row in table for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    answered = cxr("doctor", "--json")
    assert named == [finding["check"] for finding in json.loads(answered.stdout)]
