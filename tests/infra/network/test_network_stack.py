"""With the setting, everything runs in a network without a way out, and what is needed is reached."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.settings.environment import Settings
from policy.contexts import with_setting
from policy.template import text
from tests.infra.conftest import ENVIRONMENTS, environment_context, of_type, pipeline_of


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global definition_file, isolate, Match, synthesised, Template
    from aws_cdk.assertions import Match, Template

    from infra.training.sagemaker_pipeline import isolated as isolate
    from infra.training.training_pipeline import definition_file
    from policy.synthesis import synthesised


REPOSITORY = Path(__file__).resolve().parents[3]
Parts = dict[str, dict[str, Any]]


def definition(template: dict[str, Any], name: str = "Pipeline") -> tuple[dict[str, Any], dict[str, Any]]:
    pipeline = pipeline_of(template, name)
    body, values = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    return json.loads(body), values


def jobs(definition_: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The requests of the steps that are jobs, by step; of a tuning job, that of its training jobs."""
    kinds = ("Processing", "Training", "Tuning")
    requests = {step["Name"]: step["Arguments"] for step in definition_["Steps"] if step["Type"] in kinds}
    return {name: request.get("TrainingJobDefinition", request) for name, request in requests.items()}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_without_the_setting_there_is_no_network(environment: str, templates: Callable[[str], Parts]) -> None:
    assert "network" not in templates(environment)
    assert "VpcConfig" not in json.dumps(templates(environment))


def test_no_route_leads_out(isolated: Parts) -> None:
    template = Template.from_json(isolated["network"])
    for kind in ("InternetGateway", "NatGateway", "EgressOnlyInternetGateway", "VPCPeeringConnection", "Route"):
        template.resource_count_is(f"AWS::EC2::{kind}", 0)
    template.all_resources_properties("AWS::EC2::Subnet", {"MapPublicIpOnLaunch": False})


def test_there_is_a_subnet_in_each_zone_of_the_settings(isolated: Parts) -> None:
    zones = {
        subnet["Properties"]["AvailabilityZone"] for subnet in of_type(isolated["network"], "AWS::EC2::Subnet").values()
    }
    assert zones == {"us-east-1a", "us-east-1b"}


def test_an_interface_endpoints_service_is_named_as_ec2_names_it(isolated: Parts) -> None:
    """By these names `cxr doctor` asks which zones a service is in."""
    endpoints = [item["Properties"] for item in of_type(isolated["network"], "AWS::EC2::VPCEndpoint").values()]
    names = [item["ServiceName"] for item in endpoints if item["VpcEndpointType"] == "Interface"]
    assert len(names) > 5
    assert [name for name in names if not re.fullmatch(r"com\.amazonaws\.us-east-1\.[a-z.-]+", name)] == []


def test_it_says_what_cannot_be_changed(isolated: Parts) -> None:
    """By these outputs `cxr deploy` refuses what CloudFormation would."""
    outputs = isolated["network"]["Outputs"]
    assert (outputs["Cidr"]["Value"], outputs["Zones"]["Value"]) == ("10.42.0.0/16", "a b")


def test_who_talked_to_whom_is_logged(isolated: Parts) -> None:
    Template.from_json(isolated["network"]).has_resource_properties(
        "AWS::EC2::FlowLog", {"ResourceType": "VPC", "TrafficType": "ALL"}
    )


def test_data_reaches_no_bucket_of_another_account(isolated: Parts) -> None:
    endpoints = of_type(isolated["network"], "AWS::EC2::VPCEndpoint").values()
    gateways = [item["Properties"] for item in endpoints if item["Properties"]["VpcEndpointType"] == "Gateway"]
    assert len(gateways) == 2
    for gateway in gateways:
        statement, *others = gateway["PolicyDocument"]["Statement"]
        assert [text(other["Resource"]) for other in others] in (
            [],
            ["arn:aws:s3:::cloudformation-custom-resource-response-useast1/*"],
        )
        assert statement["Condition"]["StringEquals"] == {
            "aws:PrincipalAccount": {"Ref": "AWS::AccountId"},
            "aws:ResourceAccount": {"Ref": "AWS::AccountId"},
        }
    for item in endpoints:
        statement = item["Properties"]["PolicyDocument"]["Statement"][0]
        assert statement["Condition"]["StringEquals"]["aws:PrincipalAccount"] == {"Ref": "AWS::AccountId"}


def test_radiographs_of_another_account_are_read_where_settings_name_them(
    context: dict[str, Any], synthesise: Callable[[dict[str, Any]], Parts]
) -> None:
    context["shared"]["archive"]["sources"] = [{"uri": "s3://radiology/chest/"}]
    template = synthesise(with_setting(context, "network.vpc"))["network"]
    statements = [
        statement
        for endpoint in of_type(template, "AWS::EC2::VPCEndpoint").values()
        for statement in endpoint["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "s3:GetObjectVersion"
    ]
    (statement,) = statements
    assert text(statement["Resource"]).endswith(":s3:::radiology/chest/*")
    assert statement["Condition"]["StringEquals"] == {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}


@pytest.fixture(scope="module", params=["us-east-1", "il-central-1"])
def removable(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Parts]:
    """A region, and the templates there of an environment in a network that retains nothing."""
    context = copy.deepcopy(environment_context("staging"))
    context["shared"]["region"] = request.param
    context["environments"]["staging"] |= {"network": {"vpc": True}, "pipeline": {"weights_file": "weights.h5"}}
    return request.param, synthesised(context, tmp_path_factory.mktemp("removable"))


def test_custom_resources_in_it_can_answer_cloudformation(removable: tuple[str, Parts]) -> None:
    """Their answers go to a bucket of CloudFormation's; a deployment waits for each of them for an hour."""
    region, parts = removable
    answering = [
        resource["Properties"]["ServiceToken"]["Fn::GetAtt"][0]
        for template in parts.values()
        for resource in template["Resources"].values()
        if resource["Type"].startswith("Custom::")
    ]
    functions = {
        name: resource["Properties"] for template in parts.values() for name, resource in template["Resources"].items()
    }
    inside = [name for name in answering if "VpcConfig" in functions[name]]
    assert inside, "a network without any custom resource in it would have nothing to show"
    endpoints = of_type(parts["network"], "AWS::EC2::VPCEndpoint")
    statements = [
        statement
        for endpoint in endpoints.values()
        if endpoint["Properties"]["VpcEndpointType"] == "Gateway" and ".s3" in json.dumps(endpoint["Properties"])
        for statement in endpoint["Properties"]["PolicyDocument"]["Statement"]
    ]
    # CloudFormation signed the request, so neither the principal nor the bucket is of this account.
    foreign = [statement for statement in statements if "Condition" not in statement]
    assert [(statement["Action"], text(statement["Resource"])) for statement in foreign] == [
        ("s3:PutObject", f"arn:aws:s3:::cloudformation-custom-resource-response-{region.replace('-', '')}/*")
    ]


def called_services() -> set[str]:
    """The services that the functions' sources make clients of, by boto3's names."""
    sources = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "lambdas").rglob("*.py")]
    return {name for source in sources for name in re.findall(r"client\(\s*\"([a-z0-9-]+)\"", source)}


def test_functions_reach_every_service_they_call(isolated: Parts) -> None:
    """Without an endpoint a call hangs until the function is ended, and only in an environment with a network."""
    endpoints = {
        json.dumps(item["Properties"]["ServiceName"]): item["Properties"]
        for item in of_type(isolated["network"], "AWS::EC2::VPCEndpoint").values()
    }
    called = called_services()
    assert {"sagemaker", "sagemaker-runtime", "s3", "sns", "cloudformation"} <= called
    for service in called:
        name = {"sagemaker": "sagemaker.api", "sagemaker-runtime": "sagemaker.runtime"}.get(service, service)
        (endpoint,) = (item for text, item in endpoints.items() if re.search(rf"\.{re.escape(name)}\"", text))
        assert endpoint["VpcEndpointType"] == "Gateway" or endpoint["PrivateDnsEnabled"] is True, service


def test_the_monitoring_job_is_in_it_and_reaches_what_it_calls(isolated: Parts) -> None:
    """Its container scans the table and puts metrics; without an endpoint both calls would hang."""
    body, _ = definition(isolated["monitoring"])
    network = jobs(body)["MonitorModel"]["NetworkConfig"]
    assert len(network["VpcConfig"]["Subnets"]) == 2
    assert network["EnableNetworkIsolation"] is False
    services = [
        json.dumps(item["Properties"]["ServiceName"])
        for item in of_type(isolated["network"], "AWS::EC2::VPCEndpoint").values()
    ]
    for name in ("monitoring", "dynamodb", "s3"):
        assert any(service.endswith((f'.{name}"]]}}', f'.{name}"')) for service in services), name


def test_only_functions_and_jobs_reach_the_endpoints(isolated: Parts) -> None:
    template = isolated["network"]
    admitted = [
        item["Properties"]
        for item in of_type(template, "AWS::EC2::SecurityGroupIngress").values()
        if item["Properties"]["GroupId"]["Fn::GetAtt"][0].startswith("NetworkEndpoints")
    ]
    assert {(item["FromPort"], item["ToPort"]) for item in admitted} == {(443, 443)}
    sources = sorted(item["SourceSecurityGroupId"]["Fn::GetAtt"][0].rstrip("0123456789ABCDEF") for item in admitted)
    assert sources == ["NetworkFunctions", "NetworkJobs"]
    for name, group in of_type(template, "AWS::EC2::SecurityGroup").items():
        assert not [rule for rule in group["Properties"].get("SecurityGroupIngress", []) if "CidrIp" in rule], name


@pytest.mark.parametrize("part", ["training", "release", "api"])
def test_every_function_runs_in_it(part: str, isolated: Parts) -> None:
    functions = of_type(isolated[part], "AWS::Lambda::Function")
    assert functions
    for name, function in functions.items():
        assert len(function["Properties"]["VpcConfig"]["SubnetIds"]) == 2, name


def test_code_of_functions_cannot_touch_interfaces(isolated: Parts) -> None:
    """Lambda itself needs the right, and takes it from the function's role."""
    for part in ("training", "release", "api"):
        roles = {
            function["Properties"]["Role"]["Fn::GetAtt"][0]
            for function in of_type(isolated[part], "AWS::Lambda::Function").values()
        }
        denied = {
            role["Ref"]
            for policy in of_type(isolated[part], "AWS::IAM::Policy").values()
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny" and "lambda:SourceFunctionArn" in str(statement["Condition"])
            for role in policy["Properties"]["Roles"]
        }
        assert roles == denied


def test_the_model_runs_in_it_and_calls_nobody(isolated: Parts) -> None:
    for model in of_type(isolated["endpoint"], "AWS::SageMaker::Model").values():
        assert model["Properties"]["EnableNetworkIsolation"] is True
        assert len(model["Properties"]["VpcConfig"]["Subnets"]) == 2


def test_every_job_runs_in_it_and_calls_nobody(isolated: Parts) -> None:
    body, values = definition(isolated["training"])
    (default,) = (one["DefaultValue"] for one in body["Parameters"] if one["Name"] == "NetworkIsolation")
    assert default is True
    for name, request in jobs(body).items():
        settings = request.get("NetworkConfig", request)
        asked = {"Get": "Parameters.NetworkIsolation"} if name == "PreprocessImages" else True
        assert settings["EnableNetworkIsolation"] == asked, name
        network = settings["VpcConfig"]
        assert len(network["Subnets"]) == 2
        for placeholder in (*network["Subnets"], *network["SecurityGroupIds"]):
            assert "cxr-prod-network" in json.dumps(values[placeholder.removeprefix("${").removesuffix("}")])


def test_training_takes_its_source_and_its_weights_from_channels(isolated: Parts) -> None:
    body, values = definition(isolated["training"])
    request = jobs(body)["TrainModel"]
    channels = {item["ChannelName"]: item["DataSource"]["S3DataSource"]["S3Uri"] for item in request["InputDataConfig"]}
    defaults = {parameter["Name"]: parameter.get("DefaultValue") for parameter in body["Parameters"]}

    assert channels["code"] == "${SourceCodeUri}"
    directory, _, name = request["HyperParameters"]["sagemaker_submit_directory"].rpartition("/")
    assert (directory, name) == ("/opt/ml/input/data/code", "${SourceCodeName}")
    # The channel's one file bears the name of the object.
    assert json.dumps(values["SourceCodeUri"]).rstrip('"]}').endswith(values["SourceCodeName"])
    assert channels["weights"] == {"Get": "Parameters.WeightsChannelUri"}
    assert defaults["WeightsChannelUri"] == "s3://${ArtifactBucketName}/weights/weights.h5"


@pytest.mark.parametrize("spot", [False, True])
@pytest.mark.parametrize("tuning", [False, True])
def test_isolation_changes_where_jobs_run_and_nothing_else(spot: bool, tuning: bool) -> None:
    compiled = json.loads(definition_file(spot=spot, tuning=tuning).read_text(encoding="utf-8"))
    network = {"Subnets": ["${JobSubnets0}"], "SecurityGroupIds": ["${JobSecurityGroupIds0}"]}

    changed = isolate(copy.deepcopy(compiled), network)

    for name, request in jobs(changed).items():
        assert request.get("NetworkConfig", request)["VpcConfig"] == network, name
    for request in jobs(changed).values():
        if "NetworkConfig" in request:
            del request["NetworkConfig"]["VpcConfig"]
        else:
            del request["VpcConfig"]
            request["EnableNetworkIsolation"] = False
            request["InputDataConfig"].pop()
    for step in changed["Steps"]:
        arguments = step.get("Arguments", {})
        for key in ("HyperParameters", "StaticHyperParameters"):
            for owner in (arguments, arguments.get("TrainingJobDefinition", {})):
                if key in owner:
                    owner[key]["sagemaker_submit_directory"] = "${SourceCodeUri}"
    assert changed == compiled


def test_a_file_of_weights_is_the_default_of_its_channel_without_a_network_too(
    context: dict[str, Any], synthesise: Callable[[dict[str, Any]], Parts]
) -> None:
    context["environments"]["dev"]["pipeline"] = {"weights_file": "resnet50v2.h5"}
    body, _ = definition(synthesise(context)["training"])
    defaults = {parameter["Name"]: parameter.get("DefaultValue") for parameter in body["Parameters"]}
    assert defaults["WeightsChannelUri"] == "s3://${ArtifactBucketName}/weights/resnet50v2.h5"
    assert "VpcConfig" not in json.dumps(body)


def test_sagemaker_may_attach_jobs_to_these_subnets_only(isolated: Parts) -> None:
    template = Template.from_json(isolated["training"])
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        Match.object_like(
                            {
                                "Action": Match.array_with(["ec2:CreateNetworkInterface"]),
                                "Resource": Match.array_with([Match.object_like({"Fn::Join": Match.any_value()})]),
                            }
                        )
                    ]
                )
            },
            "Roles": [{"Ref": Match.string_like_regexp("^StepRole")}],
        },
    )


def test_the_context_that_the_tests_and_the_table_use_is_prod(context: dict[str, Any]) -> None:
    settings, prod = Settings.load(with_setting(context, "network.vpc")), Settings.load(environment_context("prod"))
    changed = {"network": prod.network, "pipeline": prod.pipeline}
    assert settings.model_copy(update=changed) == prod
