"""Rules for every resource of every environment: least-privilege policies, encryption, logs, dead-letter queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from lambdas.aws.site_evaluations import DOCUMENT, PREFIX
from policy.wildcards import MANAGED, UNNAMEABLE
from tests.infra.conftest import ENVIRONMENTS, IN_ORDER, PARTS, of_type

Templates = Callable[[str], dict[str, dict[str, Any]]]

# The CDK's function that empties a bucket exists only where nothing is retained.
EMPTYING = "CustomS3AutoDeleteObjects"


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def identity_statements(template: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in template["Resources"].items():
        documents = []
        if resource["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            documents.append(resource["Properties"]["PolicyDocument"])
        elif resource["Type"] == "AWS::IAM::Role":
            documents += [policy["PolicyDocument"] for policy in resource["Properties"].get("Policies", [])]
        for document in documents:
            for statement in document["Statement"]:
                yield name, statement


def last_parts(statement: dict[str, Any]) -> list[str]:
    """Parts behind the account in the ARNs of a statement, such as `:endpoint/cxr-dev`."""
    return [resource["Fn::Join"][1][-1] for resource in listed(statement["Resource"])]


def pipeline_rights(template: dict[str, Any], action: str) -> list[dict[str, Any]]:
    """Statements about the role that starts the steps, with an action of this name or part of a name."""
    return [
        statement
        for name, statement in identity_statements(template)
        if name.startswith("PipelineRole") and any(action in one for one in listed(statement["Action"]))
    ]


# What settings may choose and no environment does follows the same rules.
EVERY = [
    *((environment, part) for environment in ENVIRONMENTS for part in PARTS),
    *(("isolated", part) for part in IN_ORDER),
    ("audited", "data"),
    ("gated", "release"),
    ("coded", "api"),
]


@pytest.fixture(params=EVERY, ids="-".join)
def template(request: pytest.FixtureRequest, templates: Templates) -> dict[str, Any]:
    environment, part = request.param
    if environment in ENVIRONMENTS:
        return templates(environment)[part]
    chosen: dict[str, dict[str, Any]] = request.getfixturevalue(environment)
    return chosen[part]


def test_no_right_is_to_everything(template: dict[str, Any]) -> None:
    for name, statement in identity_statements(template):
        if statement["Effect"] == "Deny":
            continue
        actions = listed(statement["Action"])
        assert not [action for action in actions if action == "*" or action.endswith(":*")], name
        if "*" in listed(statement["Resource"]):
            assert set(actions) <= set(UNNAMEABLE), f"{name}: {actions} on everything"
        if "cloudwatch:PutMetricData" in actions:
            assert "cloudwatch:namespace" in str(statement["Condition"]), name


def test_no_statement_excludes_instead_of_allowing(template: dict[str, Any]) -> None:
    for name, statement in identity_statements(template):
        assert not {"NotAction", "NotResource"} & set(statement), name


def test_managed_policies_are_explained(template: dict[str, Any]) -> None:
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for arn in role["Properties"].get("ManagedPolicyArns", []):
            assert any(policy in str(arn) for policy in MANAGED), f"{name}: {arn}"


def test_sagemaker_acts_for_this_account_only(template: dict[str, Any]) -> None:
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
            if statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}:
                assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}, (
                    name
                )


def test_a_role_is_passed_to_one_service(template: dict[str, Any]) -> None:
    for name, statement in identity_statements(template):
        if "iam:PassRole" in listed(statement["Action"]):
            assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}, name
            # Roles of this template by name: no pattern that another would fit.
            passed = {resource["Fn::GetAtt"][0] for resource in listed(statement["Resource"])}
            assert passed <= of_type(template, "AWS::IAM::Role").keys(), name


def test_every_queue_and_topic_is_encrypted_and_takes_tls_only(template: dict[str, Any]) -> None:
    secured = {
        target["Ref"]
        for kind, key in (("AWS::SQS::QueuePolicy", "Queues"), ("AWS::SNS::TopicPolicy", "Topics"))
        for policy in of_type(template, kind).values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for target in policy["Properties"][key]
    }
    for name, queue in of_type(template, "AWS::SQS::Queue").items():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True, name
        assert name in secured
    for name, topic in of_type(template, "AWS::SNS::Topic").items():
        assert topic["Properties"]["KmsMasterKeyId"], name
        assert name in secured


def test_every_function_has_its_own_role_and_log_group(template: dict[str, Any]) -> None:
    functions = {
        name: function["Properties"]
        for name, function in of_type(template, "AWS::Lambda::Function").items()
        if not name.startswith(EMPTYING)
    }
    roles = [function["Role"]["Fn::GetAtt"][0] for function in functions.values()]
    assert len(set(roles)) == len(roles)
    groups = of_type(template, "AWS::Logs::LogGroup")
    for name, function in functions.items():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups, name


def test_every_log_group_forgets(template: dict[str, Any]) -> None:
    for name, group in of_type(template, "AWS::Logs::LogGroup").items():
        assert group["Properties"]["RetentionInDays"] > 0, name


def test_no_event_is_lost_unseen(template: dict[str, Any]) -> None:
    """An event that never reached its function, and one its function failed on, end in the same encrypted queue."""
    invocations = {
        item["Properties"]["FunctionName"]["Ref"]: item["Properties"]
        for item in of_type(template, "AWS::Lambda::EventInvokeConfig").values()
    }
    for name, rule in of_type(template, "AWS::Events::Rule").items():
        if name.startswith("ServingDaily"):
            assert rule["Properties"]["ScheduleExpression"] == "rate(1 day)", "a call that is lost comes again"
            continue
        for target in rule["Properties"]["Targets"]:
            queue = target["DeadLetterConfig"]["Arn"]
            assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0, name
            failures = invocations[target["Arn"]["Fn::GetAtt"][0]]
            assert failures["DestinationConfig"]["OnFailure"]["Destination"] == queue, name
            senders = [
                (statement["Principal"], statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::GetAtt"][0])
                for policy in of_type(template, "AWS::SQS::QueuePolicy").values()
                for statement in policy["Properties"]["PolicyDocument"]["Statement"]
                if statement["Effect"] == "Allow" and listed(statement["Resource"]) == [queue]
            ]
            assert ({"Service": "events.amazonaws.com"}, name) in senders


def test_only_named_callers_invoke_functions(template: dict[str, Any]) -> None:
    for name, permission in of_type(template, "AWS::Lambda::Permission").items():
        assert permission["Properties"]["SourceArn"], name


def test_the_pipeline_runs_jobs_of_pipelines_only(templates: Templates) -> None:
    for environment in ENVIRONMENTS:
        jobs = [
            str(statement["Resource"])
            for name, statement in identity_statements(templates(environment)["training"])
            if name.startswith("PipelineRole") and "Job" in str(statement["Action"])
        ]
        assert len(jobs) == 2
        assert all("-job/pipelines-*" in resource for resource in jobs)


def test_tuning_is_allowed_where_it_is_chosen_and_nowhere_else(templates: Templates, tuned: dict[str, Any]) -> None:
    for environment in ENVIRONMENTS:
        assert not pipeline_rights(templates(environment)["training"], "HyperParameterTuningJob")

    # A pipeline's tuning job has a name without the pipeline's prefix, and its training jobs begin with that name.
    (tuning,) = pipeline_rights(tuned, "CreateHyperParameterTuningJob")
    (training,) = pipeline_rights(tuned, "CreateTrainingJob")
    assert "sagemaker:ListTrainingJobsForHyperParameterTuningJob" in tuning["Action"]
    for statement, kind, name in (
        (tuning, "hyper-parameter-tuning-job", "bqbpzw5k3d15-TrainMod-U0H0Wl6oKU"),
        (training, "training-job", "bqbpzw5k3d15-TrainMod-U0H0Wl6oKU-001-c42f316a"),
    ):
        patterns = last_parts(statement)
        for spelling in (name, name.lower()):
            assert any(fnmatchcase(f":{kind}/{spelling}", pattern) for pattern in patterns)
        assert not any(fnmatchcase(f":{kind}/pipelines-bqbpzw5k3d15-other", pattern) for pattern in patterns)


def test_the_pipeline_calls_one_function(templates: Templates) -> None:
    for environment in ENVIRONMENTS:
        template = templates(environment)["training"]
        (call,) = pipeline_rights(template, "lambda:InvokeFunction")
        (function,) = (
            name
            for name, resource in of_type(template, "AWS::Lambda::Function").items()
            if resource["Properties"]["Handler"] == "lambdas.find_serving_model.handler.handle"
        )
        # The function and its versions.
        arn = {"Fn::GetAtt": [function, "Arn"]}
        assert call["Resource"] == [arn, {"Fn::Join": ["", [arn, ":*"]]}]


def test_who_asks_what_serves_can_follow_the_endpoint_and_nothing_else(templates: Templates) -> None:
    for environment in ENVIRONMENTS:
        allowed = {
            statement["Action"]: last_parts(statement)
            for name, statement in identity_statements(templates(environment)["training"])
            if name.startswith("FindServingModelRole") and str(statement["Action"]).startswith("sagemaker:")
        }
        assert set(allowed) == {
            f"sagemaker:Describe{kind}" for kind in ("Endpoint", "EndpointConfig", "Model", "ModelPackage")
        }
        assert allowed["sagemaker:DescribeEndpoint"] == [f":endpoint/cxr-{environment}"]
        assert allowed["sagemaker:DescribeModelPackage"] == [f":model-package/cxr-{environment}/*"]
        endpoint = templates(environment)["endpoint"]
        for kind, resource in (("EndpointConfig", "endpoint-config"), ("Model", "model")):
            (logical_id,) = (
                name for name in of_type(endpoint, f"AWS::SageMaker::{kind}") if name.startswith("Endpoint")
            )
            # CloudFormation puts random characters behind the logical id, the laptop's also the stack before it.
            for name in (f"{logical_id}-pR9dIu4ZjVhk", f"cxr-{environment}-endpoint-{logical_id}-0a1b2c3d"):
                for spelling in (name, name.lower()):
                    patterns = allowed[f"sagemaker:Describe{kind}"]
                    assert any(fnmatchcase(f":{resource}/{spelling}", pattern) for pattern in patterns)


def test_a_step_may_look_up_the_package_it_starts_from(templates: Templates) -> None:
    for environment in ENVIRONMENTS:
        rights = [
            (statement["Action"], last_parts(statement))
            for name, statement in identity_statements(templates(environment)["training"])
            if name.startswith("StepRole") and "sagemaker:" in str(statement["Action"])
        ]
        assert rights == [("sagemaker:DescribeModelPackage", [f":model-package/cxr-{environment}/*"])]


def test_what_is_written_is_looked_for_where_it_is_written() -> None:
    from infra.storage.data_stack import SITE_EVALUATIONS

    assert SITE_EVALUATIONS == PREFIX


def of_site_evaluations(template: dict[str, Any], role: str) -> set[tuple[str, str]]:
    """Actions of a role on site evaluations, each with the keys that it is for."""
    return {
        (action, keys)
        for name, statement in identity_statements(template)
        if name.startswith(role)
        for action in listed(statement["Action"])
        for keys in (
            *(resource["Fn::Join"][1][-1] for resource in listed(statement["Resource"]) if "Fn::Join" in resource),
            *statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", []),
        )
        if PREFIX in keys
    }


# The figures, and the listings of them; not the table of which image got which score beside them.
FIGURES_OF_SITES = {
    ("s3:ListBucket", f"{PREFIX}/*"),
    ("s3:GetObject", f"/{PREFIX}/*/{DOCUMENT}"),
    ("s3:GetObjectVersion", f"/{PREFIX}/*/{DOCUMENT}"),
    ("s3:ListBucket", f"{PREFIX}/*/{DOCUMENT}"),
}


def test_the_api_reads_the_figures_of_site_evaluations_and_not_which_image_got_which_score(
    templates: Templates,
) -> None:
    for environment in ENVIRONMENTS:
        api = templates(environment)["api"]
        assert of_site_evaluations(api, "ModelRole") == FIGURES_OF_SITES
        assert len([name for name in of_type(api, "AWS::IAM::Policy") if of_site_evaluations(api, name)]) == 1


def test_a_release_looks_at_site_evaluations_where_settings_ask_for_them_and_nowhere_else(
    templates: Templates, gated: dict[str, dict[str, Any]]
) -> None:
    variable = "SITE_EVALUATION_REQUIRED"

    def variables(template: dict[str, Any]) -> dict[str, Any]:
        (function,) = (
            one
            for one in of_type(template, "AWS::Lambda::Function").values()
            if one["Properties"]["Handler"] == "lambdas.release.handler.handle"
        )
        found: dict[str, Any] = function["Properties"]["Environment"]["Variables"]
        return found

    for environment in ENVIRONMENTS:
        template = templates(environment)["release"]
        assert of_site_evaluations(template, "ReleaseRole") == set()
        assert variable not in variables(template)
    assert of_site_evaluations(gated["release"], "ReleaseRole") == FIGURES_OF_SITES
    assert variables(gated["release"])[variable] == "true"


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        # Training containers may have a network: archives and the key for hashes of patients are not for them.
        ("DecodeRole", {"/code/*", "/datasets/*", "/evaluations/*", "/keys/patients"}),
        ("StepRole", {"/checkpoints/*", "/code/*", "/executions/*", "/weights/*"}),
    ],
)
def test_steps_read_what_they_work_on_only(role: str, expected: set[str], templates: Templates) -> None:
    """The uploads and the API's keys are none of their business."""
    for environment in ENVIRONMENTS:
        objects = [
            resource
            for name, statement in identity_statements(templates(environment)["training"])
            if name.startswith(role) and "s3:GetObject" in listed(statement["Action"])
            for resource in listed(statement["Resource"])
        ]
        assert {resource["Fn::Join"][1][-1] for resource in objects} == expected


def test_checkpoints_are_all_that_a_job_may_delete_and_their_versions_stay(templates: Templates) -> None:
    """SageMaker deletes in S3 what a training container deletes or renames, as the role of the job (docs/adr/0074)."""
    for environment in ENVIRONMENTS:
        deleting = {
            (name.partition("DefaultPolicy")[0], action, part)
            for name, statement in identity_statements(templates(environment)["training"])
            for action in listed(statement["Action"])
            if "s3:Delete" in action
            for part in last_parts(statement)
        }
        assert deleting == {("StepRole", "s3:DeleteObject", "/checkpoints/*")}
