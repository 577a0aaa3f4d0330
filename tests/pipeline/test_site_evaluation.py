"""The site evaluation's definition is what the source says, and runs with what the trigger names."""

import json
import re
from pathlib import Path

from model_code.contract.site_parameters import SITE, SITE_REQUIRED

FILE = Path(__file__).parents[2] / "pipeline" / "definition-site-evaluation.json"
TRAINING = FILE.with_name("definition.json")


def steps(path=FILE):
    return {step["Name"]: step for step in json.loads(path.read_text(encoding="utf-8"))["Steps"]}


def test_committed_file_is_what_the_source_compiles_to(compiled):
    assert FILE.read_text(encoding="utf-8") == compiled["site-evaluation"], "run `make pipeline` and review it"


def test_every_parameter_is_used_and_only_what_the_trigger_names_has_no_default():
    document = json.loads(FILE.read_text(encoding="utf-8"))
    assert set(re.findall(r"Parameters\.(\w+)", json.dumps(document["Steps"]))) == {*SITE_REQUIRED, *SITE}
    without = {one["Name"] for one in document["Parameters"] if "DefaultValue" not in one}
    assert without == set(SITE_REQUIRED)


def test_images_are_decoded_exactly_as_in_training():
    """Another grey would be another model's answer."""
    site, training = (steps(path)["PreprocessImages"]["Arguments"] for path in (FILE, TRAINING))
    assert site.pop("ProcessingOutputConfig") != training.pop("ProcessingOutputConfig")
    # Of an inventory, which no model is evaluated on, training's fetches the objects itself.
    assert training["NetworkConfig"].pop("EnableNetworkIsolation") == {"Get": "Parameters.NetworkIsolation"}
    assert site["NetworkConfig"].pop("EnableNetworkIsolation") is True
    assert training["Environment"].pop("AWS_DEFAULT_REGION")
    assert site == training


def test_a_sites_images_lie_where_they_expire_so_no_step_is_cached():
    """A cache hit would point at images that are gone."""
    (output,) = steps()["PreprocessImages"]["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3Uri"]["Std:Join"]["Values"][0] == "s3://${ArtifactBucketName}/site-images"
    assert not [step for step in steps().values() if "CacheConfig" in step]


def test_the_step_that_scores_sees_no_archive_and_no_key_and_has_a_role_of_its_own():
    arguments = steps()["EvaluateSite"]["Arguments"]
    assert {one["InputName"] for one in arguments["ProcessingInputs"]} == {
        *("code", "decoded", "model", "evaluation", "report")
    }
    assert arguments["RoleArn"] == "${SiteRoleArn}"
    assert arguments["NetworkConfig"]["EnableNetworkIsolation"] is True


def test_each_execution_writes_below_its_version_and_nothing_is_cached():
    """Found by version without asking the registry; a second evaluation never writes over the first."""
    step = steps()["EvaluateSite"]
    (output,) = step["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3Uri"] == {
        "Std:Join": {
            "On": "/",
            "Values": [
                "s3://${ArtifactBucketName}",
                "site-evaluations",
                {"Get": "Parameters.ModelVersion"},
                {"Get": "Execution.PipelineExecutionId"},
            ],
        }
    }
    assert "CacheConfig" not in step


def test_the_request_is_one_that_the_service_takes(refusals):
    request = json.loads(json.dumps(steps()["EvaluateSite"]["Arguments"]))
    request = _filled(request) | {"ProcessingJobName": "site"}
    assert refusals("CreateProcessingJob", request) == ""


def _filled(value):
    if isinstance(value, dict):
        if set(value) <= {"Get", "Std:Join"}:
            counts = ("MaxRuntimeSeconds", "InstanceCount")
            return 3600 if str(value.get("Get", "")).endswith(counts) else _text(value)
        return {key: _filled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item) for item in value]
    return re.sub(r"\$\{(\w+)\}", "arn:aws:iam::123456789012:role/x", value) if isinstance(value, str) else value


def _text(value):
    named = value.get("Get", "")
    return "ml.m5.xlarge" if named.endswith("InstanceType") else "s3://bucket/key"
