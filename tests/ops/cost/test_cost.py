"""Cost of an environment: it follows from the templates, and nothing is free because nobody thought of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from model_code.contract.parameters import LIMITS
from ops.base.assembly import Assembly, Resource
from ops.base.errors import CommandError, ExitCode
from ops.commands.cost import estimate
from ops.cost import prediction_cost, standing_cost
from ops.cost.charges import HOURS_PER_MONTH, Charge, Usage, priced
from ops.cost.prices import Price, PriceTable
from ops.cost.run_cost import run
from tests.ops.conftest import CONTEXT, ENVIRONMENTS

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def assembly(assemblies: Callable[[str], Path]) -> Callable[[str], Assembly]:
    return lambda environment: Assembly.read(assemblies(environment), environment)


def made(*resources: tuple[str, dict[str, Any]]) -> Assembly:
    """An environment of a few resources."""
    return Assembly("dev", "us-east-1", tuple(Resource("part", f"R{n}", *one) for n, one in enumerate(resources)))


def costing(usd: float) -> PriceTable:
    """A table in which everything these tests ask for has the same price."""
    keys = ("AmazonSageMaker/Host:ml.c6i.xlarge", "AmazonS3/TimedStorage-ByteHrs", "awskms/KMS-Keys")
    return PriceTable({"us-east-1": {key: Price(usd, "unit", "a test", "2026-01-01") for key in keys}})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_type_of_resource_of_every_environment_is_known_to_the_model(
    assembly: Callable[[str], Assembly], environment: str
) -> None:
    assert standing_cost.unknown_types(assembly(environment)) == []


def test_a_resource_that_nobody_priced_stops_the_estimate_with_its_type() -> None:
    with pytest.raises(CommandError, match="does not know what AWS::EC2::NatGateway cost"):
        standing_cost.standing(made(("AWS::EC2::NatGateway", {})), Usage())


def test_no_type_is_both_free_and_charged_for() -> None:
    assert "AWS::S3::Bucket" in standing_cost.RULES
    assert not set(standing_cost.FREE) & set(standing_cost.RULES)


def test_while_it_idles_dev_costs_storage_keys_and_logs_only(assembly: Callable[[str], Assembly]) -> None:
    """The laptop's environment has alarms, to try them, and costs nothing where it runs."""
    charges = standing_cost.standing(assembly("dev"), Usage())

    assert {charge.group for charge in charges if charge.quantity or charge.most} == {"storage", "keys", "logs"}


def test_prod_costs_its_instances_for_all_hours_of_a_month_and_its_alarms(assembly: Callable[[str], Assembly]) -> None:
    prod = assembly("prod")
    settings = CONTEXT["environments"]["prod"]["endpoint"]
    charges = standing_cost.standing(prod, Usage())
    hosting = [charge for charge in charges if charge.key == f"AmazonSageMaker/Host:{settings['instance_type']}"]

    assert sum(charge.quantity for charge in hosting) == settings["instance_count"] * HOURS_PER_MONTH
    assert sum(charge.most or 0 for charge in hosting) >= settings["scaling"]["max_instances"] * HOURS_PER_MONTH
    alarms = [charge for charge in charges if charge.key.endswith("CW:AlarmMonitorUsage")]
    assert len(alarms) >= len(prod.of("AWS::CloudWatch::Alarm")) > 0


def endpoint(name: str, config: str, fewest: int, most: int) -> list[tuple[str, dict[str, Any]]]:
    """An endpoint, which has the configuration of that logical id, and its scaling."""
    reference = {"EndpointName": name, "EndpointConfigName": {"Fn::GetAtt": [config, "EndpointConfigName"]}}
    capacity = {"ResourceId": f"endpoint/{name}/variant/AllTraffic", "MinCapacity": fewest, "MaxCapacity": most}
    return [("AWS::SageMaker::Endpoint", reference), ("AWS::ApplicationAutoScaling::ScalableTarget", capacity)]


CONFIG = (
    "AWS::SageMaker::EndpointConfig",
    {"ProductionVariants": [{"VariantName": "AllTraffic", "InstanceType": "ml.c6i.xlarge", "InitialInstanceCount": 2}]},
)


def test_a_scaled_endpoint_costs_its_least_instances_and_at_most_its_most() -> None:
    """Variants of two endpoints have one name, each its own scaling; one that scales to nothing idles for nothing."""
    policy = ("AWS::ApplicationAutoScaling::ScalingPolicy", {"PolicyType": "TargetTrackingScaling"})
    prod = made(CONFIG, CONFIG, CONFIG, *endpoint("cxr", "R0", 2, 5), *endpoint("cxr-async", "R1", 0, 4), policy)
    first, second, unscaled, alarms = standing_cost.standing(prod, Usage())

    assert (first.quantity, first.most) == (2 * 730, 5 * 730)
    assert (second.quantity, second.most) == (0, 4 * 730)
    assert (unscaled.quantity, unscaled.most) == (2 * 730, 2 * 730)
    assert alarms.quantity == 2, "target tracking makes two"


def test_instances_cost_at_most_the_dearest_type_that_may_stand_in() -> None:
    pools = [{"InstanceType": name, "Priority": n} for n, name in enumerate(("ml.c6i.xlarge", "ml.m5.xlarge"), start=1)]
    config = {"ProductionVariants": [{"VariantName": "AllTraffic", "InstancePools": pools, "InitialInstanceCount": 2}]}
    (charge,) = standing_cost.standing(made(("AWS::SageMaker::EndpointConfig", config)), Usage())
    keys = ("AmazonSageMaker/Host:ml.c6i.xlarge", "AmazonSageMaker/Host:ml.m5.xlarge")
    assert (charge.key, *charge.instead) == keys

    def table(*usd: float) -> PriceTable:
        prices = (Price(one, "unit", "a test", "2026-01-01") for one in usd)
        return PriceTable({"us-east-1": dict(zip(keys, prices, strict=False))})

    known = priced("Standing", [charge], table(1.0, 3.0), "us-east-1")
    assert (known.usd, known.usd_at_most, known.unpriced) == (2 * 730 * 1.0, 2 * 730 * 3.0, [])
    half = priced("Standing", [charge], table(1.0), "us-east-1")
    assert half.unpriced == ["AmazonSageMaker/Host:ml.m5.xlarge"], "nobody says that it costs no more"


def test_metrics_of_instances_and_detailed_observability_are_charged_where_they_are_on() -> None:
    variant = {"VariantName": "AllTraffic", "InstanceType": "ml.c6i.xlarge", "InitialInstanceCount": 2}
    config = {
        "ProductionVariants": [variant],
        "MetricsConfig": {"EnableEnhancedMetrics": True, "EnableDetailedObservability": True},
    }
    _, metrics, data = standing_cost.standing(made(("AWS::SageMaker::EndpointConfig", config)), Usage())
    assert (metrics.key, metrics.quantity) == ("AmazonCloudWatch/CW:MetricMonitorUsage", 2 * 11)
    section = priced("Standing", [metrics, data], PriceTable.load(), "us-east-1")
    assert section.usd == pytest.approx(22 * 0.3)
    assert section.unpriced == ["cxr/detailed-observability"], "no page says what it costs"


def test_a_snapshot_is_charged_while_it_is_kept_and_when_a_function_begins_from_it() -> None:
    function = {"MemorySize": 2048, "SnapStart": {"ApplyOn": "PublishedVersions"}}
    paths = ("AWS::ApiGateway::Resource", {"PathPart": "predictions"})
    uri = {"Fn::Join": ["", ["arn:", {"Fn::GetAtt": ["R2", "Arn"]}, "/invocations"]]}
    method = {"HttpMethod": "POST", "ResourceId": {"Ref": "R0"}, "Integration": {"Uri": uri}}
    api = made(
        paths,
        ("AWS::ApiGateway::Method", method),
        ("AWS::Lambda::Function", {}),
        ("AWS::Lambda::Function", function),
        ("AWS::Lambda::Version", {}),
        ("AWS::Lambda::Alias", {}),
    )
    (kept,) = standing_cost.standing(api, Usage())
    assert (kept.key, kept.quantity) == ("AWSLambda/Lambda-SnapStart-Cached-GB-S", 2 * 730 * 3600)
    restored = {one.key: one.quantity for one in prediction_cost.predictions(api, Usage())}
    assert restored["AWSLambda/Lambda-SnapStart-Restored-GB"] == 2 * 1000


@pytest.mark.parametrize(
    ("kind", "properties", "key", "quantity"),
    [
        (
            "AWS::CloudWatch::Alarm",
            {"MetricName": "ModelLatency", "Period": 10},
            "AmazonCloudWatch/CW:HighResAlarmMonitorUsage",
            1,
        ),
        (
            "AWS::SageMaker::EndpointConfig",
            {"ProductionVariants": [{"ServerlessConfig": {"MemorySizeInMB": 3072, "ProvisionedConcurrency": 2}}]},
            "AmazonSageMaker/ServerlessInf:Prov-Mem-3GB",
            2 * 730 * 3600,
        ),
        ("AWS::WAFv2::WebACL", {"Rules": [{}, {}, {}]}, "awswaf/RuleV2", 3),
        (
            "AWS::EC2::VPCEndpoint",
            {"VpcEndpointType": "Interface", "SubnetIds": [{}, {}]},
            "AmazonVPC/VpcEndpoint-Hours",
            1460,
        ),
        ("AWS::CloudWatch::Dashboard", {}, "AmazonCloudWatch/DashboardsUsage", 1),
        (
            "AWS::CloudWatch::Alarm",
            {"Metrics": [{"MetricStat": {}}, {"MetricStat": {}}, {"Expression": "a/b"}]},
            "AmazonCloudWatch/CW:AlarmMonitorUsage",
            2,
        ),
        ("AWS::DynamoDB::Table", {"BillingMode": "PAY_PER_REQUEST"}, "AmazonDynamoDB/TimedStorage-ByteHrs", 0.1),
        ("AWS::ApiGateway::Stage", {"CacheClusterEnabled": True}, "AmazonApiGateway/ApiGatewayCacheUsage:0.5GB", 730),
        ("AWS::SecretsManager::Secret", {}, "AWSSecretsManager/AWSSecretsManager-Secrets", 1),
        ("AWS::Events::Rule", {"ScheduleExpression": "rate(1 day)"}, "cxr/scheduled:R0", 730 / 24),
    ],
)
def test_what_stands_there_is_charged_by_its_own_unit(
    kind: str, properties: dict[str, Any], key: str, quantity: float
) -> None:
    charges = {charge.key: charge for charge in standing_cost.standing(made((kind, properties)), Usage())}
    assert charges[key].quantity == pytest.approx(quantity)


def test_a_schedule_that_calls_functions_alone_costs_nothing_by_being_there() -> None:
    """One that also starts something else has no price here, and the sum says so."""
    function = ("AWS::Lambda::Function", {"MemorySize": 128})
    calls = {"ScheduleExpression": "rate(1 day)", "Targets": [{"Arn": {"Fn::GetAtt": ["R0", "Arn"]}}]}
    assert standing_cost.standing(made(function, ("AWS::Events::Rule", calls)), Usage()) == []
    calls["Targets"].append({"Arn": {"Fn::GetAtt": ["Queue", "Arn"]}})
    (charge,) = standing_cost.standing(made(function, ("AWS::Events::Rule", calls)), Usage())
    assert charge.key == "cxr/scheduled:R1"


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Gateway"}),
        ("AWS::Events::Rule", {"EventPattern": {}}),
        ("AWS::ApiGateway::Stage", {}),
        ("Custom::Anything", {}),
        (
            "AWS::SageMaker::EndpointConfig",
            {"ProductionVariants": [{"VariantName": "a", "ServerlessConfig": {"MemorySizeInMB": 3072}}]},
        ),
    ],
)
def test_what_waits_for_requests_costs_nothing_by_being_there(kind: str, properties: dict[str, Any]) -> None:
    assert standing_cost.standing(made((kind, properties)), Usage()) == []


def test_an_execution_costs_each_job_until_its_time_limit(assembly: Callable[[str], Assembly]) -> None:
    charges = run(assembly("prod"), {})
    compute = {
        charge.resource: charge for charge in charges if charge.key.startswith(("AmazonSageMaker/", "AWSLambda"))
    }
    hours = LIMITS["MaxRuntimeSeconds"].default / 3600

    assert {"PreprocessImages", "SplitDataset", "TrainModel", "EvaluateModel", "FindServingModel"} <= set(compute)
    [training] = [charge for charge in charges if charge.key == "AmazonSageMaker/Train:ml.g4dn.xlarge"]
    assert training.quantity == hours
    assert training.most == 3 * hours, "a job that SageMaker itself fails is started twice again"


def test_runs_that_a_schedule_starts_are_charged_by_the_month(assembly: Callable[[str], Assembly]) -> None:
    charges = standing_cost.standing(assembly("prod"), Usage())
    (monitoring,) = [charge for charge in charges if charge.key == "AmazonSageMaker/Processing:ml.m5.xlarge"]
    hours = CONTEXT["shared"]["monitoring"]["max_runtime_seconds"] / 3600

    assert monitoring.part == "monitoring"
    assert monitoring.quantity == pytest.approx(730 / 24 * hours)


def test_a_start_with_other_parameters_costs_what_these_ask_for(assembly: Callable[[str], Assembly]) -> None:
    parameters = {
        "TrainingInstanceType": "ml.g5.2xlarge",
        "ProcessingInstanceCount": "4",
        "MaxRuntimeSeconds": "36000",
    }
    charges = {(charge.resource, charge.group): charge for charge in run(assembly("prod"), parameters)}

    assert charges["TrainModel", "compute"].key == "AmazonSageMaker/Train:ml.g5.2xlarge"
    assert charges["PreprocessImages", "compute"].quantity == 40
    assert charges["SplitDataset", "compute"].quantity == 10
    with pytest.raises(CommandError, match=r"no parameter Epoch\. Is it Epochs\?"):
        run(assembly("prod"), {"Epoch": "2"})


@pytest.mark.parametrize("name", ["definition-tuning.json", "definition-tuning-spot.json"])
def test_a_search_costs_all_its_jobs(name: str) -> None:
    body = json.loads((REPOSITORY / "pipeline" / name).read_text(encoding="utf-8"))
    defaults = {
        "TuningJobs": 12,
        "MaxRuntimeSeconds": 3600,
        "TrainingInstanceType": "ml.g4dn.xlarge",
        "ProcessingInstanceType": "ml.m5.xlarge",
        "ProcessingInstanceCount": 1,
    }
    for parameter in body["Parameters"]:
        parameter["DefaultValue"] = defaults.get(parameter["Name"], "")
    pipeline = {"PipelineDefinition": {"PipelineDefinitionBody": {"Fn::Sub": [json.dumps(body), {}]}}}
    charges = run(made(("AWS::SageMaker::Pipeline", pipeline)), {})

    assert {charge.quantity for charge in charges if charge.key == "AmazonSageMaker/Train:ml.g4dn.xlarge"} == {12}


def test_predictions_cost_the_gateway_the_function_and_a_serverless_endpoint_at_their_slowest(
    assembly: Callable[[str], Assembly],
) -> None:
    charges = prediction_cost.predictions(assembly("dev"), Usage())
    by_key = {charge.key: charge for charge in charges}

    assert by_key["AmazonApiGateway/ApiGatewayRequest"].quantity == 1000
    assert by_key["AmazonSageMaker/ServerlessInf:Mem-3GB"].quantity == 60_000
    function = next(charge for charge in charges if charge.key == "AWSLambda/Lambda-GB-Second-ARM")
    faster = prediction_cost.predictions(assembly("dev"), Usage(seconds=0.5))
    assert next(charge for charge in faster if charge.key == function.key).quantity < function.quantity / 10
    assert next(charge for charge in faster if "ServerlessInf:Mem" in charge.key).quantity == 500


def test_on_instances_a_prediction_costs_no_time_of_the_endpoint(assembly: Callable[[str], Assembly]) -> None:
    keys = {charge.key for charge in prediction_cost.predictions(assembly("prod"), Usage())}
    assert not any("ServerlessInf" in key for key in keys)
    assert "AmazonSageMaker/Host:Data-Bytes-In" in keys


def test_an_authorizer_and_a_firewall_are_part_of_each_prediction() -> None:
    def called(name: str) -> dict[str, Any]:
        return {"Fn::Join": ["", ["arn:", {"Fn::GetAtt": [name, "Arn"]}, "/invocations"]]}

    method = {
        "HttpMethod": "POST",
        "ResourceId": {"Ref": "R0"},
        "Integration": {"Uri": called("R2")},
        "AuthorizerId": {"Ref": "R4"},
    }
    api = made(
        ("AWS::ApiGateway::Resource", {"PathPart": "predictions"}),
        ("AWS::ApiGateway::Method", method),
        ("AWS::Lambda::Function", {"MemorySize": 1024, "Timeout": 29}),
        ("AWS::Lambda::Function", {"MemorySize": 128, "Timeout": 5}),
        ("AWS::ApiGateway::Authorizer", {"AuthorizerUri": called("R3")}),
        ("AWS::Lambda::Function", {"MemorySize": 512, "Timeout": 900}),
        ("AWS::WAFv2::WebACLAssociation", {}),
        ("AWS::DynamoDB::Table", {"BillingMode": "PAY_PER_REQUEST"}),
    )
    charges = prediction_cost.predictions(api, Usage())

    seconds = {c.resource: c.quantity for c in charges if c.key == "AWSLambda/Lambda-GB-Second"}
    assert seconds == {"R2": 29_000, "R3": 625}, "and no function that has nothing to do with it"
    assert {"awswaf/RequestV2-Tier1", "AmazonDynamoDB/WriteRequestUnits"} <= {charge.key for charge in charges}


def test_what_has_no_price_is_left_out_of_the_sum_and_named() -> None:
    charges = [
        Charge("data", "Key", "keys", 1, "awskms/KMS-Keys", "1 key", most=3),
        Charge("data", "Unknown", "compute", 5, "A/B", "5 of it"),
        Charge("data", "None", "compute", 0, "A/C", "none of it"),
    ]
    section = priced("Standing", charges, costing(2.0), "us-east-1")
    assert (section.usd, section.usd_at_most, section.unpriced) == (2.0, 6.0, ["A/B"])
    elsewhere = priced("Standing", charges, costing(2.0), "eu-west-1")
    assert elsewhere.unpriced == ["A/B", "awskms/KMS-Keys"], "a price of one region is none of another"


def test_every_price_has_a_source_a_unit_and_a_date() -> None:
    document = json.loads((REPOSITORY / "ops" / "cost" / "prices.json").read_text(encoding="utf-8"))
    for prices in document["regions"].values():
        for key, price in prices.items():
            assert price["usd"] > 0, key
            assert len(price["source"]) > 10, key
            assert price["unit"], key
            assert len(price["date"]) == len("2026-01-01"), key


def test_the_cost_of_dev_has_a_price_for_everything_that_stands_there(assembly: Callable[[str], Assembly]) -> None:
    sections = estimate(assembly("dev"), PriceTable.load(), Usage(), {})
    assert sections["standing"].unpriced == []
    assert 1 < sections["standing"].usd < 10


def test_cost_prints_each_resource_with_its_formula_and_its_price(
    cxr: Callable[..., Result], assemblies: Callable[[str], Path]
) -> None:
    result = cxr("--env", "dev", "cost", "--assembly", str(assemblies("dev")))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    line = lines[lines.index("data:".ljust(len(lines[1]))) + 1]
    assert line.split()[0] == "Key"
    assert "1 key" in line
    assert "1 / key-month" in line
    assert "Standing, a month:" in result.stdout
    assert "One execution" in result.stdout
    assert "1,000 predictions" in result.stdout
    assert "ops/cost/prices.json" in result.stderr


def test_cost_as_json_has_stable_names(cxr: Callable[..., Result], assemblies: Callable[[str], Path]) -> None:
    result = cxr("cost", "-e", "prod", "--assembly", str(assemblies("prod")), "--json", "--bucket-gb", "10")
    document = json.loads(result.stdout)
    assert (document["env"], document["region"], document["currency"]) == ("prod", "us-east-1", "USD")
    lines = document["standing"]["lines"]
    assert {line["quantity"] for line in lines if line["key"] == "AmazonS3/TimedStorage-ByteHrs"} == {10}
    assert document["standing"]["usd_priced"] == pytest.approx(sum(line["usd"] or 0 for line in lines))
    assert document["standing"]["usd"] is None, "the endpoint, most of it, has no price"
    assert document["standing"]["usd_at_most"] is None


def test_a_sum_that_lacks_the_endpoint_is_not_printed_as_a_total(
    cxr: Callable[..., Result], assemblies: Callable[[str], Path]
) -> None:
    """ "At most 39.83 USD" was the headline of an environment whose endpoint alone costs several times as much."""
    result = cxr("cost", "-e", "prod", "--assembly", str(assemblies("prod")))
    first, *rest = result.stdout.splitlines()
    assert first == "Standing, a month: no total, because this has no price:"
    assert "endpoint/EndpointConfig: 2 x ml.c6i.xlarge x 730 h, scaling to 6" in rest[0]
    assert "USD" not in rest[0]
    complete = cxr("cost", "-e", "dev", "--assembly", str(assemblies("dev"))).stdout.splitlines()[0]
    assert complete.startswith("Standing, a month: 2.")


def test_without_templates_cost_says_what_to_run(cxr: Callable[..., Result], tmp_path: Path) -> None:
    result = cxr("cost", "--env", "prod", "--assembly", str(tmp_path))
    assert result.exit_code == ExitCode.UNAVAILABLE
    assert "run `make synth ENV=prod` first" in result.stderr


def test_a_table_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text('{"regions": {"us-east-1": {"a": 3}}}', encoding="utf-8")
    with pytest.raises(CommandError, match="is no price table"):
        PriceTable.load(tmp_path / "prices.json")
