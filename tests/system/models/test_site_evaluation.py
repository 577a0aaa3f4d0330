"""A model on another hospital's radiographs: the drop is found, and what it has seen is no other hospital."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.samples.sample_archive import write_archive, write_other_site
from tests.system.deployed import Stack, eventually, succeeded

pytestmark = [pytest.mark.system, pytest.mark.slow]


def evaluated(stack: Stack, archive: Path, package: str) -> dict[str, Any]:
    report = stack.workspace / f"{archive.stem}.html"
    command = ("evaluate", str(archive), "--model", package, "--json", "--save", str(report))
    found = json.loads(succeeded(stack.cxr(*command), stack.laptop).stdout)
    assert "<!doctype html>" in report.read_text()
    evaluation: dict[str, Any] = found["evaluation"]
    return evaluation


def kept_of(stack: Stack, package: str) -> list[dict[str, Any]]:
    """The site evaluations that are kept of a version."""
    (version,) = [one for one in json.loads(stack.cxr("models", "--json").stdout) if one["arn"] == package]
    kept: list[dict[str, Any]] = version["site_evaluations"]
    return kept


def test_another_hospital_is_told_from_its_own_test_split(stack: Stack, released: str) -> None:
    archive = stack.workspace / "other.zip"
    counts = write_other_site(archive)

    found = evaluated(stack, archive, released)

    assert found["images"]["scored"] == sum(counts.values())
    assert found["known"] == {"contents": 0, "copies": 0, "patients": 0}
    # Of the answered images: which ones the detector refuses hangs on the model.
    ill = found["evaluation"]["test"]["prevalence"] * found["images"]["answered"]
    assert 0 < ill <= counts["PNEUMONIA"] + 1e-6
    assert found["verdict"]["code"] != "usable", found["verdict"]["sentence"]
    worse = [name for name, one in found["differences"].items() if one["confidence_interval"][1] < 0]
    dearer = [name for name in ("calibration_error", "brier_score") if found["differences"][name]["value"] > 0]
    assert worse or dearer, found["differences"]


def test_other_patients_of_the_same_kind_are_no_drop(stack: Stack, released: str) -> None:
    archive = stack.workspace / "alike.zip"
    write_archive(archive, images_per_class=60, seed=77)

    found = evaluated(stack, archive, released)

    assert found["verdict"]["code"] in {"usable", "too_few"}, found["verdict"]["sentence"]
    assert found["differences"]["auroc"]["confidence_interval"][1] > 0


def test_images_that_the_model_has_seen_are_refused_and_nothing_is_trained(
    stack: Stack, released: str, archive: Path
) -> None:
    before = len(stack.executions()), len(stack.packages())

    done = stack.cxr("evaluate", str(archive), "--model", released)

    assert done.returncode == 1
    said = " ".join((done.stdout + done.stderr).split())
    assert "are in the dataset that the model was made with" in said
    assert (len(stack.executions()), len(stack.packages())) == before


def test_models_and_the_api_tell_what_was_found(stack: Stack, released: str) -> None:
    assert len(kept_of(stack, released)) == 2
    # Where another module's tests ran before, a copy of `released` serves, and the API tells of that.
    serving = stack.request("v1/model").document["package_arn"]
    if serving != released:
        evaluated(stack, stack.workspace / "alike.zip", serving)
    kept = kept_of(stack, serving)
    assert f"on a site's {kept[0]['images']:,} radiographs" in stack.cxr("models").stderr

    def told() -> Any:
        """All site evaluations, or None: an answer of before them is repeated for half a minute."""
        answered = stack.request("v1/model").document["site_evaluations"]
        return answered if len(answered) == len(kept) else None

    answered = eventually(told, within=45, what="an answer that tells of all evaluations")
    assert [one["verdict"] for one in answered] == [one["verdict"] for one in kept]
    assert "archive" not in json.dumps(answered), "its name may be a hospital's"
