"""The definitions and the scripts agree on every flag: a flag that only one of them knows would fail a paid job."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from infra.settings.environment import Settings
from infra.settings.pipelines import Pipeline
from model_code.contract.job import JobError
from model_code.evaluation import served_archive

REPOSITORY = Path(__file__).resolve().parents[2]
CONTEXT = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
# Definitions of one step with flags of its own, with its name and its script.
OTHERS = {
    REPOSITORY / "pipeline" / "definition-monitoring.json": ("MonitorModel", "monitor"),
    REPOSITORY / "pipeline" / "definition-site-evaluation.json": ("EvaluateSite", "evaluate_site"),
    REPOSITORY / "pipeline" / "definition-calibration.json": ("CalibrateModel", "calibrate"),
    REPOSITORY / "pipeline" / "definition-label-calibration.json": ("CalibrateModel", "calibrate_labels"),
}
DEFINITIONS = sorted(set((REPOSITORY / "pipeline").glob("definition*.json")) - set(OTHERS))
VALUES = {
    "archive-uri": f"s3://bucket/datasets/{'0' * 64}/archive.zip",
    "backbone": "ResNet50V2",
    "backbone-weights": "none",
    "warm-start-from": "none",
    "fine-tune-from": "last-stage",
    "class-weights": "none",
    "precision": "auto",
    "xla": "off",
    "serving-engine": "litert",
    "serving-package": "none",
    "serving-comparison": "gate",
    "days": "7",
    "since": "2026-11-01",
    "until": "2026-11-30",
    "model-version": "3",
    "model-package-arn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/3",
    "min-predictions": "200",
    "image-size": "64",
    "batch-size": "32",
    "epochs": "1",
    "fine-tune-epochs": "0",
    "feature-views": "0",
    "guaranteed-npv": "0.95",
    "target-prevalence": "0.0",
    "guaranteed-ppv": "0.95",
    "patience": "5",
    "seed": "1",
}


def module(script: str) -> Any:
    """An entry script of model_code, which may take TensorFlow to import."""
    return importlib.import_module(f"model_code.{script}")


def arguments(flags: list[str]) -> list[str]:
    return [part for flag in flags for part in (f"--{flag}", VALUES.get(flag, "0.1"))]


@pytest.fixture(params=DEFINITIONS, ids=lambda path: path.stem)
def steps(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    document = json.loads(request.param.read_text(encoding="utf-8"))
    return {step["Name"]: step["Arguments"] for step in document["Steps"]}


@pytest.mark.parametrize(
    ("step", "script"),
    [("PreprocessImages", "preprocess"), ("SplitDataset", "split_dataset"), ("EvaluateModel", "evaluate")],
)
def test_a_processing_script_takes_exactly_the_flags_of_its_step(
    steps: dict[str, dict[str, Any]], step: str, script: str
) -> None:
    given = [part for part in steps[step]["AppSpecification"]["ContainerArguments"] if isinstance(part, str)]
    flags = [part.removeprefix("--") for part in given if part.startswith("--")]

    module(script).parse(arguments(flags))
    for missing in flags:
        with pytest.raises(JobError):
            module(script).parse(arguments([flag for flag in flags if flag != missing]))


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_a_script_of_another_pipeline_takes_exactly_the_flags_of_its_step(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    name, script = OTHERS[path]
    step = next(step for step in document["Steps"] if step["Name"] == name)
    flags = [part.removeprefix("--") for part in step["Arguments"]["AppSpecification"]["ContainerArguments"][::2]]
    known = arguments(flags)
    if "archive-uri" in flags:
        known = [part.replace("/datasets/", "/evaluations/") for part in known]
    values = dict(zip(flags, known[1::2], strict=True))

    module(script).parse(known)
    for missing in flags:
        given = [part for flag in flags if flag != missing for part in (f"--{flag}", values[flag])]
        with pytest.raises(JobError):
            module(script).parse(given)


def test_the_training_script_takes_exactly_the_hyperparameters_of_its_step(steps: dict[str, dict[str, Any]]) -> None:
    train_step = steps["TrainModel"]
    if "TrainingJobDefinition" in train_step:
        found = train_step["HyperParameterTuningJobConfig"]["ParameterRanges"]
        names = [item["Name"] for kind in found.values() for item in kind]
        names += list(train_step["TrainingJobDefinition"]["StaticHyperParameters"])
    else:
        names = list(train_step["HyperParameters"])
    flags = [name for name in names if not name.startswith("sagemaker_")]

    module("train").parse(arguments(flags))
    for missing in flags:
        with pytest.raises(JobError):
            module("train").parse(arguments([flag for flag in flags if flag != missing]))


def extremes() -> list[Any]:
    """Smallest and largest numbers that settings take, for what is a hyperparameter of the training script."""
    definition = json.loads((REPOSITORY / "pipeline" / "definition.json").read_text(encoding="utf-8"))
    (given,) = (step["Arguments"]["HyperParameters"] for step in definition["Steps"] if step["Name"] == "TrainModel")
    found = []
    for name, field in Pipeline.model_fields.items():
        for bound in field.metadata:
            value = getattr(bound, "ge", getattr(bound, "le", None))
            flag = name.replace("_", "-")
            if value is not None and flag in given:
                found.append(pytest.param(flag, value, id=f"{name}={value}"))
    return found


@pytest.mark.parametrize(("flag", "value"), extremes())
def test_the_training_script_takes_what_settings_take(flag: str, value: float) -> None:
    flags = [name.replace("_", "-") for name in module("train").Hyperparameters.__dataclass_fields__]

    module("train").parse([*arguments(flags), f"--{flag}", str(value)])


@pytest.mark.parametrize("environment", CONTEXT["environments"])
def test_the_training_script_takes_the_settings_of_every_environment(environment: str) -> None:
    settings = Settings.load({**CONTEXT, "env": environment}).pipeline
    flags = list(module("train").Hyperparameters.__dataclass_fields__)

    module("train").parse(
        [part for name in flags for part in (f"--{name.replace('_', '-')}", str(getattr(settings, name)))]
    )


@pytest.mark.parametrize(
    "path",
    [
        *DEFINITIONS,
        REPOSITORY / "pipeline" / "definition-calibration.json",
        REPOSITORY / "pipeline" / "definition-label-calibration.json",
    ],
    ids=lambda path: path.stem,
)
def test_what_is_registered_is_the_archive_that_the_evaluation_writes(path):
    assert f'"{served_archive.FILE}"' in path.read_text(encoding="utf-8")
