"""Parameter tables of the site evaluation and calibration pipelines: shared with training's, and their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from model_code.contract.parameters import (
    DATA,
    EVALUATION,
    GATES,
    HYPERPARAMETERS,
    INPUT_ARCHIVE_URI,
    LIMITS,
    Gate,
    Parameter,
    by_name,
    share,
)

# No defaults: the trigger names them, the last two as the registry has them.
SITE_REQUIRED: Mapping[str, str] = {
    INPUT_ARCHIVE_URI: "the site's archive: an immutable copy below `evaluations/`; required",
    "ModelVersion": "number of the model package in its group; required",
    "ModelUri": "its artifact, as it serves; required",
    "EvaluationUri": "its own evaluation.json, which the site's is set beside; required",
}
# A site is held to what a model must keep to be registered, and to one limit more.
SITE_GATES: Mapping[str, Gate] = {
    name: GATES[name] for name in ("MinAuroc", "MinSensitivity", "MinSpecificity", "MaxCalibrationError")
}
SITE_REFUSALS = "MaxRefusedShare"
# Of the pipeline that evaluates a registered model on a site's radiographs. Settings of the training pipeline give the
# defaults of what both have.
SITE = by_name(
    dataclasses.replace(DATA["ProcessingInstanceType"], sentence="instance of PreprocessImages and EvaluateSite"),
    DATA["ProcessingInstanceCount"],
    dataclasses.replace(
        DATA["ImageSize"], sentence="edge of the square input, in pixels; it must be the version's, which a start names"
    ),
    *(dataclasses.replace(EVALUATION[name], gate=None) for name in SITE_GATES),
    share(
        SITE_REFUSALS,
        0.1,
        "share of the site's radiographs that the out-of-distribution detector may refuse, at most",
    ),
    # An input cannot be left out: where a version has no dataset report, it is an object that is none.
    Parameter(
        "DatasetReportPrefix",
        "${SourceCodeUri}",
        "folder of the dataset card and the fingerprints of the images that the model was trained on",
        setting=False,
    ),
    LIMITS["MaxRuntimeSeconds"],
)

CALIBRATION_REQUIRED: Mapping[str, str] = {
    INPUT_ARCHIVE_URI: SITE_REQUIRED[INPUT_ARCHIVE_URI],
    "ModelPackageArn": "the model package whose weights are taken; required",
    "ModelUri": "its artifact, as it serves; required",
    "TrainingOutputUri": "output.tar.gz of its training, with the float32 network; required",
    "DatasetReportPrefix": "folder of its dataset card and of the fingerprints of what it was trained on; required",
}
# What a calibration takes of the parameters of training.
CALIBRATED = ("GuaranteedNpv", "GuaranteedPpv", "TargetPrevalence")
_CALIBRATED = {name: HYPERPARAMETERS[name] for name in CALIBRATED} | {
    "TargetPrevalence": dataclasses.replace(
        HYPERPARAMETERS["TargetPrevalence"],
        sentence="share of PNEUMONIA among those who will be asked about, which probabilities and figures are for; 0 "
        "for the one that the version is for, and where it is for none for that of the images",
    )
}
# Of the pipeline that calibrates a registered model on a site's radiographs: it keeps what a trained one has to keep.
CALIBRATION = by_name(
    dataclasses.replace(DATA["ProcessingInstanceType"], sentence="instance of PreprocessImages and CalibrateModel"),
    DATA["ProcessingInstanceCount"],
    SITE["ImageSize"],
    *EVALUATION.values(),
    SITE[SITE_REFUSALS],
    *_CALIBRATED.values(),
    LIMITS["MaxRuntimeSeconds"],
)

LABEL_CALIBRATION_REQUIRED: Mapping[str, str] = {
    "LabelledPackageArn": "the model package whose answers readers labelled, and whose weights are taken; required",
    "Since": "first day of the labels, by when they were given, such as 2026-11-01 (UTC); required",
    "Until": "last day of them; required",
    "ModelUri": CALIBRATION_REQUIRED["ModelUri"],
    "EvaluationUri": "its own evaluation.json, which says how far its engine is from the float32 network; required",
    "TrainingOutputUri": CALIBRATION_REQUIRED["TrainingOutputUri"],
    "DatasetReportPrefix": CALIBRATION_REQUIRED["DatasetReportPrefix"],
}
# Of the pipeline that calibrates a registered model on readers' labels, without an image.
LABEL_CALIBRATION = by_name(
    dataclasses.replace(DATA["ProcessingInstanceType"], sentence="instance of CalibrateModel"),
    SITE["ImageSize"],
    *EVALUATION.values(),
    *_CALIBRATED.values(),
    LIMITS["MaxRuntimeSeconds"],
)
