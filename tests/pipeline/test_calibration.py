"""The calibration's definition is what the source says, keeps training's gates, and registers the same weights."""

import json
import re
from pathlib import Path

import pytest

from model_code.contract.parameters import GATES
from model_code.contract.site_parameters import CALIBRATION, CALIBRATION_REQUIRED

FILE = Path(__file__).parents[2] / "pipeline" / "definition-calibration.json"
TRAINING = FILE.with_name("definition.json")


def steps(path=FILE):
    return {step["Name"]: step for step in json.loads(path.read_text(encoding="utf-8"))["Steps"]}


def registered(path):
    return next(step["Arguments"] for step in steps(path)["CheckQuality"]["Arguments"]["IfSteps"])


def test_committed_file_is_what_the_source_compiles_to(compiled):
    assert FILE.read_text(encoding="utf-8") == compiled["calibration"], "run `make pipeline` and review it"


def test_every_parameter_is_used_and_only_what_the_trigger_names_has_no_default():
    document = json.loads(FILE.read_text(encoding="utf-8"))
    assert set(re.findall(r"Parameters\.(\w+)", json.dumps(document["Steps"]))) == {*CALIBRATION_REQUIRED, *CALIBRATION}
    without = {one["Name"] for one in document["Parameters"] if "DefaultValue" not in one}
    assert without == set(CALIBRATION_REQUIRED)


def test_images_are_decoded_exactly_as_in_training_where_they_expire():
    site, training = (steps(path)["PreprocessImages"]["Arguments"] for path in (FILE, TRAINING))
    (output,) = site.pop("ProcessingOutputConfig")["Outputs"]
    assert training.pop("ProcessingOutputConfig")
    # Of an inventory, which no model is calibrated on, training's fetches the objects itself.
    assert training["NetworkConfig"].pop("EnableNetworkIsolation") == {"Get": "Parameters.NetworkIsolation"}
    assert site["NetworkConfig"].pop("EnableNetworkIsolation") is True
    assert training["Environment"].pop("AWS_DEFAULT_REGION")
    assert site == training
    assert output["S3Output"]["S3Uri"]["Std:Join"]["Values"][0] == "s3://${ArtifactBucketName}/site-images"
    assert not [step for step in steps().values() if "CacheConfig" in step], "a cache hit would point at what is gone"


def test_a_calibrated_model_has_to_pass_what_a_trained_one_has_to_pass():
    def conditions(path):
        text = json.dumps(steps(path)["CheckQuality"]["Arguments"]["Conditions"])
        return json.loads(text.replace("EvaluateModel", "CalibrateModel"))

    assert conditions(FILE) == conditions(TRAINING)
    assert len(conditions(FILE)) == len(GATES) + 2


def test_a_version_waits_for_approval_and_says_whose_weights_it_has():
    site, training = registered(FILE), registered(TRAINING)
    assert site["ModelApprovalStatus"] == training["ModelApprovalStatus"] == "PendingManualApproval"
    assert site["InferenceSpecification"].keys() == training["InferenceSpecification"].keys()
    said = site["CustomerMetadataProperties"]
    assert said["CalibratedFrom"] == {"Get": "Parameters.ModelPackageArn"}
    assert said["CalibrationArchiveUri"] == {"Get": "Parameters.InputArchiveUri"}
    assert said["WeightsSha256"]["Std:JsonGet"]["Path"] == "calibrated_from.weights_sha256"
    # By these a next calibration, a site evaluation and a promotion find what they need.
    assert {"DatasetReportUri", "ImageSize", "EvaluationReportUri"} <= set(said)


@pytest.mark.parametrize("output", ["evaluation", "served", "report"])
def test_each_execution_writes_below_its_own_folder(output):
    """The API's function may read evaluations below executions/ only."""
    outputs = steps()["CalibrateModel"]["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    (uri,) = [one["S3Output"]["S3Uri"]["Std:Join"]["Values"] for one in outputs if one["OutputName"] == output]
    assert uri[:2] == ["s3://${ArtifactBucketName}/executions", {"Get": "Execution.PipelineExecutionId"}]


def test_the_step_that_calibrates_sees_no_archive_and_no_key_and_has_a_role_of_its_own():
    arguments = steps()["CalibrateModel"]["Arguments"]
    assert {one["InputName"] for one in arguments["ProcessingInputs"]} == {
        *("code", "decoded", "model", "training", "report", "serving")
    }
    assert arguments["RoleArn"] == "${CalibrationRoleArn}"
    assert arguments["NetworkConfig"]["EnableNetworkIsolation"] is True
