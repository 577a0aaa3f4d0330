"""The dossier answers each item from the version's evidence, or names it as the team's; it makes nothing up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from lambdas.aws import package_files
from lambdas.aws.site_evaluations import SiteEvaluations
from ops.base.errors import ExitCode
from ops.models import dossier
from ops.models.dossier_items import ANNEX_IV, CLAIM, SOURCES, TRIPOD_AI, Item
from tests.lambdas.aws.test_provenance import DATASET, FILES, Signed, archive
from tests.ops.conftest import no_surroundings, run
from tests.ops.models import test_bill_of_materials as bills
from tests.ops.models.test_verification import has

COUNTS = {"images": 20, "patients": 15, "labels": {"NORMAL": 10, "PNEUMONIA": 10}, "subtypes": {}}
CARD: dict[str, Any] = {
    "sha256": DATASET,
    "labels": ["NORMAL", "PNEUMONIA"],
    "image_size": 96,
    "archive_uri": "s3://data/datasets/0a1b/archive.zip",
    "splits": {"train": COUNTS, "validation": COUNTS, "test": COUNTS},
    "decisions": ["The archive's test split is kept: 20 images."],
    "dropped": [{"reason": "duplicate", "count": 7, "files": ["a patient's name.jpeg"]}],
    "metadata_files": 2,
    "sources": {"NORMAL": {"formats": {"JPEG": 28}}, "PNEUMONIA": {"formats": {"JPEG": 30}}},
    "shortcuts": [{"sentence": "The label can be predicted from the file size alone."}],
    "audit": {"patients_shared": 0, "duplicates_shared": 0, "near_duplicates_shared": 1},
}
MODEL_CARD = {
    "intended_uses": {
        "purpose_of_model": "Estimates a probability.",
        "intended_uses": "For research.",
        "risk_rating": "High",
        "explanations_for_risk_rating": "It could mislead.",
    },
    "training_details": {"objective_function": {"notes": "Cross-entropy."}, "training_observations": "20 images."},
    "additional_information": {"caveats_and_recommendations": "One site only."},
}
METADATA = {
    **bills.METADATA,
    "backbone_weights": "imagenet",
    "image_size": 96,
    "threshold": 0.42,
    "indeterminate": {"low": 0.3, "high": 0.6},
    "training": {"hyperparameters": {"epochs": 24}, "validation": {"auc": 0.991}},
}
EVALUATION = {
    **bills.EVALUATION,
    "test": {"resamples": 2000, "prevalence": 0.625},
    "target_prevalence": None,
    "subgroups": [{"title": "age 0-17", "images": 90}],
    "comparison": {"sentence": "It was compared with nothing."},
    "gates": {"message": "All gates were kept."},
}


def signed_version(patch: pytest.MonkeyPatch) -> Signed:
    """The deployment's version 3, signed and approved, with all of its evidence."""
    made = Signed()
    made.package["ModelApprovalStatus"] = "Approved"
    made.s3.objects[FILES[package_files.MODEL]] = archive(METADATA)
    for name, document in (
        (package_files.EVALUATION, EVALUATION),
        (package_files.MODEL_CARD, {"content": json.dumps(MODEL_CARD)}),
        (package_files.DATASET_REPORT, CARD),
    ):
        made.s3.objects[FILES[name]] = json.dumps(document).encode()
    patch.setattr("ops.models.site_evaluations.of_version", lambda *_: SiteEvaluations())
    return has(made, patch)


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> Signed:
    return signed_version(monkeypatch)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The dossier, made once: ninety tests read it, and one takes a third of a second."""
    path = tmp_path_factory.mktemp("dossier") / "dossier.md"
    with pytest.MonkeyPatch.context() as patch:
        no_surroundings(patch)
        signed_version(patch)
        result = run("dossier", "3", "--save", str(path))
    assert result.exit_code == 0, result.stderr
    return path.read_text(encoding="utf-8")


def section(written: str, item: Item) -> str:
    _, _, after = written.partition(f"### {item.number}. {item.about}\n")
    return after.partition("\n#")[0]


def test_each_source_has_all_of_its_items_once() -> None:
    for source, count in ((CLAIM, 42), (TRIPOD_AI, 27), (ANNEX_IV, 9)):
        assert [item.number for item in source.items] == [str(number) for number in range(1, count + 1)]


@pytest.mark.parametrize("item", [item for source in SOURCES for item in source.items], ids=lambda item: item.about)
def test_each_item_is_answered_or_named_as_open(item: Item, written: str) -> None:
    lines = [line for line in section(written, item).splitlines() if line]
    assert len(lines) == len(item.facts) + bool(item.open)
    assert lines, "neither answered nor named as open"
    assert all(len(line.removeprefix("- ")) > 3 for line in lines)
    assert (dossier.OPEN in lines[-1]) == bool(item.open)


def test_every_fact_answers_something(cxr: Callable[..., Result], written: str) -> None:
    named = {name for source in SOURCES for item in source.items for name in item.facts}
    assert len(named) > 30
    evidence = dossier.Evidence(
        {"ModelPackageArn": "arn", "ModelApprovalStatus": "Approved"},
        {"model.tar.gz": "0", "serving container": "x"},
        {**METADATA, "engine": "litert", "calibrated_from": None},  # type: ignore[typeddict-item]
        EVALUATION,  # type: ignore[arg-type]
        CARD,  # type: ignore[arg-type]
        MODEL_CARD,
        [],
    )
    assert set(dossier.facts(evidence)) == named


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("20", "Train: 20 images of 15 patients, 10 NORMAL, 10 PNEUMONIA; validation: "),
        ("21", "Shared by splits: 0 patients, 0 duplicates, 1 near-duplicates."),
        ("25", "epochs 24."),
        ("28", "On the test split: auroc 0.970 (0.950 to 0.980); brier score 0.050."),
        ("29", "95 %, from 2,000 bootstrap resamples of patients."),
        ("30", "The label can be predicted from the file size alone."),
        ("32", "Site evaluations of this version: none."),
        ("38", "One site only."),
    ],
)
def test_answers_are_those_of_the_evidence(number: str, said: str, written: str) -> None:
    (item,) = (one for one in CLAIM.items if one.number == number)
    assert said in section(written, item)


def test_nobodys_file_is_named_and_no_conformity_is_claimed(written: str) -> None:
    assert "a patient's name" not in written
    assert "not a medical device" in written
    assert "It claims conformity with nothing" in written


def test_a_change_control_plan_names_the_gates_and_leaves_the_bounds_open(written: str) -> None:
    plan = written.partition("## Change control")[2]
    assert "| MinSensitivity | the default of its pipeline |" in plan
    assert dossier.OPEN in plan


def test_of_what_was_changed_there_is_none(cxr: Callable[..., Result], signed: Signed) -> None:
    signed.s3.flip(FILES[package_files.DATASET_REPORT])
    result = cxr("dossier", "3")
    assert (result.exit_code, result.stdout) == (ExitCode.FAILED, "")
