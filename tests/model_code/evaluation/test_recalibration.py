"""Calibration of a registered version: the prevalence that its probabilities are for."""

from __future__ import annotations

import pytest

from model_code.evaluation.quality_gates import Limits
from tests.model_code.support.evaluated import made_scores


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global fitted, Settings, evaluator
    from model_code.evaluation import evaluator
    from model_code.evaluation.recalibration import Settings, fitted


@pytest.mark.parametrize(
    ("named", "own", "expected"),
    [
        (0.0, None, None),
        (0.0, 0.05, 0.05),
        (0.2, None, 0.2),
        (0.2, 0.05, 0.2),
    ],
    ids=["for that of the images", "the version's own stays", "one is named", "another is named"],
)
def test_a_version_stays_for_the_prevalence_that_its_training_was_started_with(
    named: float, own: float | None, expected: float | None
) -> None:
    """`cxr start --set TargetPrevalence=0.05` is in no setting: calibrations made probabilities for another one."""
    against = evaluator.Settings(Limits(0.9, 0.9, 0.9, 0.1, 0.5), "none", "none")
    settings = Settings(64, "arn:aws:sagemaker:eu-central-1:1:model-package/cxr/3", 0.9, 0.9, named, against)
    found = fitted(made_scores(400), settings, {"target_prevalence": own})
    assert found["target_prevalence"] == expected
    assert found["guarantee"]["prevalence"] == (expected or 0.5)
