"""Failures are told with what to do about them, and the role that looks at the model may do no more than that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.settings.environment import Settings
from infra.settings.section import SettingsError
from tests.infra.conftest import ENVIRONMENTS, of_type

REPOSITORY = Path(__file__).resolve().parents[3]
WATCHED = ("staging", "prod", "laptop")
Templates = Callable[[str], dict[str, dict[str, Any]]]
Synthesise = Callable[[dict[str, Any]], dict[str, dict[str, Any]]]


def alarms(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Properties by what the alarm is about."""
    found = (item["Properties"] for item in of_type(template, "AWS::CloudWatch::Alarm").values())
    return {properties["AlarmName"].split("-", 2)[2]: properties for properties in found}


def definition(template: dict[str, Any]) -> dict[str, Any]:
    (pipeline,) = of_type(template, "AWS::SageMaker::Pipeline").values()
    body, _ = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    parsed: dict[str, Any] = json.loads(body)
    return parsed


def monitor_rights(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        statement
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if any(role["Ref"].startswith("MonitorRole") for role in policy["Properties"]["Roles"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_pipeline_is_the_committed_one_with_the_settings_defaults(
    environment: str, templates: Templates, context: dict[str, Any]
) -> None:
    body = definition(templates(environment)["monitoring"])
    settings = Settings.load({**context, "env": environment}).monitoring

    assert {step["Name"] for step in body["Steps"]} == {"FindServingModel", "MonitorModel"}
    assert {item["Name"]: item["DefaultValue"] for item in body["Parameters"]} == settings.defaults()


def test_dev_has_nothing_that_costs_while_it_idles(templates: Templates) -> None:
    template = templates("dev")["monitoring"]
    for kind in ("CloudWatch::Alarm", "CloudWatch::Dashboard", "Scheduler::Schedule", "Budgets::Budget"):
        assert not of_type(template, f"AWS::{kind}"), kind


@pytest.mark.parametrize("environment", WATCHED)
def test_an_alarm_says_when_it_begins_and_ends_and_what_to_do(environment: str, templates: Templates) -> None:
    runbook = (REPOSITORY / "docs" / "runbooks.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^## (.+)$", runbook, flags=re.MULTILINE))
    found = alarms(templates(environment)["monitoring"])

    assert {"api-errors", "endpoint-errors", "drift", "performance-drop", "training-failed", "uploads-dead"} <= set(
        found
    )
    for subject, alarm in found.items():
        assert alarm["AlarmActions"] == alarm["OKActions"], subject
        assert len(alarm["AlarmActions"]) == 1, subject
        assert alarm["AlarmDescription"].endswith(f"#{subject}"), subject
        # A mail has to do without the page, which not everybody who gets it can open.
        first = runbook.partition(f"\n## {subject}\n")[2].partition(". ")[0].partition(".\n")[0]
        assert " ".join(first.split())[:40] in alarm["AlarmDescription"], subject
        assert len(alarm["AlarmDescription"]) <= 1024, subject
        assert subject in sections


def test_every_section_of_the_runbook_is_an_alarm(templates: Templates) -> None:
    runbook = (REPOSITORY / "docs" / "runbooks.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^## (.+)$", runbook, flags=re.MULTILINE))
    assert sections == set(alarms(templates("prod")["monitoring"]))


def test_links_point_where_settings_say(context: dict[str, Any], synthesise: Synthesise) -> None:
    url = "https://wiki.example/chest-xray"
    context["environments"]["prod"]["monitoring"]["runbook_url"] = url
    template = synthesise({**context, "env": "prod"})["monitoring"]

    assert alarms(template)["drift"]["AlarmDescription"].endswith(f" {url}#drift")
    (dashboard,) = of_type(template, "AWS::CloudWatch::Dashboard").values()
    assert f"({url}#drift)" in json.dumps(dashboard["Properties"]["DashboardBody"])
    (pipeline,) = of_type(template, "AWS::SageMaker::Pipeline").values()
    body, named = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    assert named["RunbookUrl"] == url
    assert json.dumps(url) not in body
    assert '"${RunbookUrl}"' in body


def test_latency_of_the_endpoint_is_alarmed_in_microseconds(templates: Templates, context: dict[str, Any]) -> None:
    alarm = alarms(templates("prod")["monitoring"])["endpoint-latency"]
    milliseconds = context["environments"]["prod"]["endpoint"]["rollout"]["max_latency_ms"]
    assert (alarm["MetricName"], alarm["Threshold"]) == ("ModelLatency", milliseconds * 1000)


@pytest.mark.parametrize("environment", WATCHED)
def test_what_a_run_found_holds_until_the_next(environment: str, templates: Templates) -> None:
    found = alarms(templates(environment)["monitoring"])
    for subject in ("drift", "performance-drop"):
        assert found[subject]["TreatMissingData"] == "ignore"
        assert found[subject]["Dimensions"] == [{"Name": "Endpoint", "Value": f"cxr-{environment}"}]
        assert found[subject]["Namespace"] == "ChestXray/Model"


@pytest.mark.parametrize("environment", WATCHED)
def test_a_queue_that_nobody_touches_does_not_seem_to_be_empty(environment: str, templates: Templates) -> None:
    """SQS reports nothing of a queue that was left alone for six hours: no data are no news of its messages."""
    found = alarms(templates(environment)["monitoring"])
    queues = {subject for subject, alarm in found.items() if alarm["Namespace"] == "AWS/SQS"}
    assert queues == {"uploads-dead", "releases-dead", "signing-dead"}
    assert {found[subject]["TreatMissingData"] for subject in queues} == {"ignore"}


def test_a_run_that_is_missing_is_told_where_one_is_due(templates: Templates) -> None:
    alarm = alarms(templates("prod")["monitoring"])["monitoring-missing"]
    # A deployment begins without a run: silence from the beginning is no news, silence after a run is.
    assert alarm["TreatMissingData"] == "missing"
    assert alarm["InsufficientDataActions"] == alarm["AlarmActions"]
    # An alarm looks back seven days at most.
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 2 * 24 * 3600
    assert "monitoring-missing" not in alarms(templates("laptop")["monitoring"])


def test_the_schedule_starts_this_pipeline_and_nothing_else(templates: Templates) -> None:
    template = templates("prod")["monitoring"]
    (schedule,) = of_type(template, "AWS::Scheduler::Schedule").values()
    target = schedule["Properties"]["Target"]
    role = target["RoleArn"]["Fn::GetAtt"][0]
    (policy,) = (
        item["Properties"]
        for item in of_type(template, "AWS::IAM::Policy").values()
        if item["Properties"]["Roles"] == [{"Ref": role}]
    )
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert schedule["Properties"]["ScheduleExpression"] == "rate(24 hours)"
    assert statement["Action"] == "sagemaker:StartPipelineExecution"
    assert statement["Resource"] == target["Arn"]
    assert target["Arn"]["Fn::Join"][1][-1] == ":pipeline/cxr-prod-monitoring"


def test_the_schedule_gives_a_parameter_that_the_pipeline_has(templates: Templates) -> None:
    """EventBridge Scheduler refuses a pipeline without any."""
    template = templates("prod")["monitoring"]
    (schedule,) = of_type(template, "AWS::Scheduler::Schedule").values()

    assert schedule["Properties"]["Target"]["SageMakerPipelineParameters"] == {
        "PipelineParameterList": [{"Name": "Days", "Value": "7"}]
    }
    assert "Days" in {one["Name"] for one in definition(template)["Parameters"]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_who_looks_at_the_model_sees_no_radiograph(environment: str, templates: Templates) -> None:
    """Shards and archives lie in the same buckets; it reads the reference, the table, and earlier results."""
    rights = monitor_rights(templates(environment)["monitoring"])
    read = {
        resource["Fn::Join"][1][-1]
        for statement in rights
        if "s3:GetObject" in statement["Action"]
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    }
    tables = {action for right in rights for action in _listed(right["Action"]) if action.startswith("dynamodb:")}
    (metric,) = (
        right["Condition"]["StringEquals"]
        for right in rights
        if right["Action"] == "cloudwatch:PutMetricData" and "StringEquals" in right["Condition"]
    )

    assert read == {"/executions/*/reference.json", "/code/*", "/monitoring/*"}
    assert tables == {"dynamodb:Scan"}
    assert metric == {"cloudwatch:namespace": "ChestXray/Model"}


@pytest.mark.parametrize("environment", WATCHED)
def test_the_dashboard_shows_everything_and_is_within_its_limits(environment: str, templates: Templates) -> None:
    (dashboard,) = of_type(templates(environment)["monitoring"], "AWS::CloudWatch::Dashboard").values()
    body = json.dumps(dashboard["Properties"]["DashboardBody"])
    namespaces = ("AWS/ApiGateway", "AWS/Lambda", "AWS/SageMaker", "ModelBuildingPipeline", "ChestXray/Model")
    for namespace in namespaces:
        assert namespace in body, namespace


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_alarms_and_budgets_of_this_account_reach_the_encrypted_topic(environment: str, templates: Templates) -> None:
    """CloudWatch says nothing where it may not use the topic's key; people would just never hear."""
    key = of_type(templates(environment)["data"], "AWS::KMS::Key")["Key961B73FD"]
    (topic,) = of_type(templates(environment)["training"], "AWS::SNS::TopicPolicy").values()
    for service, pattern in (("cloudwatch", f":alarm:cxr-{environment}-*"), ("budgets", f":budget/cxr-{environment}*")):
        for statements, action in (
            (key["Properties"]["KeyPolicy"]["Statement"], "kms:GenerateDataKey*"),
            (topic["Properties"]["PolicyDocument"]["Statement"], "sns:Publish"),
        ):
            (statement,) = (item for item in statements if item["Principal"] == {"Service": f"{service}.amazonaws.com"})
            assert action in _listed(statement["Action"])
            assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
            assert statement["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Join"][1][-1] == pattern


def test_the_budget_of_prod_warns_before_its_month_is_spent(templates: Templates, context: dict[str, Any]) -> None:
    (budget,) = of_type(templates("prod")["monitoring"], "AWS::Budgets::Budget").values()
    stated = context["environments"]["prod"]["budget"]
    properties = budget["Properties"]
    shares = [
        item["Notification"]["Threshold"]
        for item in properties["NotificationsWithSubscribers"]
        if item["Notification"]["NotificationType"] == "ACTUAL"
    ]

    assert properties["Budget"]["BudgetName"] == "cxr-prod-50-80-100"
    assert properties["Budget"]["BudgetLimit"] == {"Amount": stated["monthly_usd"], "Unit": "USD"}
    assert properties["Budget"]["CostFilters"] == {"TagKeyValue": ["user:project$chest-xray-stack"]}
    assert shares == stated["alert_percent"]


def test_a_budget_has_no_more_notifications_than_there_may_be(context: dict[str, Any], synthesise: Synthesise) -> None:
    """CreateBudget says five; one of them is the forecast's."""
    own = context["environments"]["prod"]["budget"]
    own["alert_percent"] = [50, 70, 80, 100]
    (budget,) = of_type(synthesise({**context, "env": "prod"})["monitoring"], "AWS::Budgets::Budget").values()
    assert len(budget["Properties"]["NotificationsWithSubscribers"]) == 5

    own["alert_percent"].append(120)
    with pytest.raises(SettingsError, match="alert_percent"):
        Settings.load({**context, "env": "prod"})


def test_alarms_can_be_turned_off_again(context: dict[str, Any], synthesise: Synthesise, templates: Templates) -> None:
    """An export cannot go while it is imported, and the stack that exports is deployed first."""
    context["environments"]["prod"]["monitoring"] |= {"alarms": False, "dashboard": False}
    without = synthesise({**context, "env": "prod"})
    for part in ("training", "release", "api"):
        assert _exports(without[part]) == _exports(templates("prod")[part]), part


def _exports(template: dict[str, Any]) -> set[str]:
    return {item["Export"]["Name"] for item in template.get("Outputs", {}).values() if "Export" in item}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
