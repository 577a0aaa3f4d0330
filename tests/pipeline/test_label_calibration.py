"""The definition that calibrates on readers' labels is what the source says, with training's gates and no image."""

import json
import re
from pathlib import Path

from model_code.contract.parameters import GATES
from model_code.contract.site_parameters import LABEL_CALIBRATION, LABEL_CALIBRATION_REQUIRED

FILE = Path(__file__).parents[2] / "pipeline" / "definition-label-calibration.json"
ARCHIVE = FILE.with_name("definition-calibration.json")


def steps(path=FILE):
    return {step["Name"]: step for step in json.loads(path.read_text(encoding="utf-8"))["Steps"]}


def registered(path):
    return next(step["Arguments"] for step in steps(path)["CheckQuality"]["Arguments"]["IfSteps"])


def test_committed_file_is_what_the_source_compiles_to(compiled):
    assert FILE.read_text(encoding="utf-8") == compiled["label-calibration"], "run `make pipeline` and review it"


def test_every_parameter_is_used_and_only_what_a_start_names_has_no_default():
    document = json.loads(FILE.read_text(encoding="utf-8"))
    used = set(re.findall(r"Parameters\.(\w+)", json.dumps(document["Steps"])))
    assert used == {*LABEL_CALIBRATION_REQUIRED, *LABEL_CALIBRATION}
    without = {one["Name"] for one in document["Parameters"] if "DefaultValue" not in one}
    assert without == set(LABEL_CALIBRATION_REQUIRED)


def test_gates_are_those_of_a_calibration_on_an_archive():
    conditions = [steps(path)["CheckQuality"]["Arguments"]["Conditions"] for path in (FILE, ARCHIVE)]
    assert conditions[0] == conditions[1]
    assert len(conditions[0]) == len(GATES) + 2


def test_a_version_waits_for_approval_and_says_whose_answers_were_labelled_and_when():
    labels, archive = registered(FILE), registered(ARCHIVE)
    assert labels["ModelApprovalStatus"] == "PendingManualApproval"
    own, other = labels["CustomerMetadataProperties"], archive["CustomerMetadataProperties"]
    assert own["CalibratedFrom"] == {"Get": "Parameters.LabelledPackageArn"}
    assert own["CalibrationLabelsSince"] == {"Get": "Parameters.Since"}
    assert set(other) - set(own) == {"CalibrationArchiveUri"}


def test_the_step_that_reads_predictions_gets_no_archive_and_no_image_and_a_role_of_its_own():
    arguments = steps()["CalibrateModel"]["Arguments"]
    assert set(steps()) == {"FindServingModel", "CalibrateModel", "CheckQuality"}
    assert {one["InputName"] for one in arguments["ProcessingInputs"]} == {
        *("code", "model", "evaluation", "training", "report", "serving")
    }
    assert arguments["RoleArn"] == "${LabelCalibrationRoleArn}"
    assert not [step for step in steps().values() if "CacheConfig" in step], "labels come in behind the same arguments"
