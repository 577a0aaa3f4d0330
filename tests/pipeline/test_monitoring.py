"""The monitoring definition is what the source says, and asks for what the service takes."""

import json
import re
from pathlib import Path

FILE = Path(__file__).parents[2] / "pipeline" / "definition-monitoring.json"
# What infra/ fills in, and CloudFormation's own name for the region.
PLACEHOLDERS = {
    "ArtifactBucketName",
    "ArtifactKeyArn",
    "EndpointName",
    "FindServingModelFunctionArn",
    "MonitorRoleArn",
    "PredictionsTableName",
    "ProcessingImageUri",
    "RunbookUrl",
    "SourceCodeUri",
    "AWS::Region",
}


def monitor():
    find, step = json.loads(FILE.read_text(encoding="utf-8"))["Steps"]
    assert (find["Name"], step["Name"]) == ("FindServingModel", "MonitorModel")
    return step


def test_committed_file_is_what_the_source_compiles_to(compiled):
    assert FILE.read_text(encoding="utf-8") == compiled["monitoring"], "run `make pipeline` and review the difference"


def test_placeholders_are_those_the_stack_fills():
    assert set(re.findall(r"\$\{([^}]*)\}", FILE.read_text(encoding="utf-8"))) == PLACEHOLDERS


def test_every_parameter_is_used_and_has_a_default():
    document = json.loads(FILE.read_text(encoding="utf-8"))
    used = set(re.findall(r"Parameters\.(\w+)", json.dumps(document["Steps"])))
    assert used == {parameter["Name"] for parameter in document["Parameters"]}
    assert all("DefaultValue" in parameter for parameter in document["Parameters"])


def test_job_may_call_services_and_gets_a_role_of_its_own():
    # It reads DynamoDB and puts metrics; it sees no image.
    arguments = monitor()["Arguments"]
    assert arguments["NetworkConfig"]["EnableNetworkIsolation"] is False
    assert arguments["RoleArn"] == "${MonitorRoleArn}"
    assert arguments["Environment"]["AWS_DEFAULT_REGION"] == "${AWS::Region}"


def test_it_is_never_cached_because_predictions_change_behind_the_same_arguments():
    assert "CacheConfig" not in monitor()


def test_package_and_reference_are_one_answer():
    arguments = monitor()["Arguments"]
    given = arguments["AppSpecification"]["ContainerArguments"]
    package = given[given.index("--package") + 1]
    reference = next(one for one in arguments["ProcessingInputs"] if one["InputName"] == "reference")
    assert package == {"Get": "Steps.FindServingModel.OutputParameters['ServingPackageArn']"}
    assert reference["S3Input"]["S3Uri"] == {"Get": "Steps.FindServingModel.OutputParameters['ReferenceUri']"}
