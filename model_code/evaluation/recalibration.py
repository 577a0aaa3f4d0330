"""Calibration of a trained model to a site: temperature, bias, threshold and band, the network as it is.

The site's patients are parted once, by a draw that nobody chooses, so that nobody can draw again until the gates let a
model pass. One half is what everything is fitted on; on the other the result is measured, once. Figures are of the
images that the API would answer, as in a site evaluation.

Temperature and bias are logistic recalibration, so two parameters. Ten patients of the rarer label for each parameter
are the usual least (Peduzzi et al. 1996, Journal of Clinical Epidemiology 49(12)), and as many are demanded of each
label in either half. More carry more: the gates judge the half that is held out, and a guarantee takes what
`statistics.indeterminate` says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from model_code.contract import job
from model_code.contract.documents import CalibratedFrom, Figure, ReadersLabels, SplitCounts
from model_code.contract.job import JobError
from model_code.contract.labels import LABELS
from model_code.contract.metrics import figure
from model_code.contract.site_parameters import CALIBRATED, CALIBRATION, SITE_GATES, SITE_REFUSALS
from model_code.data.patient_split import Radiograph, take_patients
from model_code.evaluation import assessment, site, site_verdict
from model_code.evaluation.comparison import name as package_name
from model_code.evaluation.scores import TestScores
from model_code.statistics import indeterminate
from model_code.statistics.calibration import Calibration, choose_threshold, fit_temperature_and_bias
from model_code.statistics.intervals import patient_numbers, resample_patients

if TYPE_CHECKING:
    from model_code.evaluation import evaluator
    from model_code.evaluation.scoring import ExportedModel

FEWEST_PATIENTS = 20
"""Least patients of each label in each half: ten for each of two parameters."""
FITTED, HELD_OUT = "fitted", "held_out"
_PURPOSES = {FITTED: "to calibrate on", HELD_OUT: "to check the calibration on"}
_HELD_OUT_SHARE = 0.5
_SEED = 20181128
CHOSEN_BY_READERS = (
    "Readers chose what they labelled, and may have seen the answer: it holds for radiographs like those, which need "
    "not be like all that are sent."
)
_FIGURES = ("auroc", "sensitivity", "specificity", "calibration_error", "brier_score")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Parameters of a step that calibrates a registered version, whatever it is calibrated on.

    Attributes:
        image_size: edge in pixels of the images that the version takes.
        model_package_arn: of the version whose weights are taken.
        guaranteed_npv: negative predictive value to guarantee.
        guaranteed_ppv: positive one.
        target_prevalence: of PNEUMONIA, which probabilities and figures are for; 0 for the version's own, and where it
            has none for that of the site's images.
        against: what the result is held against.
    """

    image_size: int
    model_package_arn: str
    guaranteed_npv: float
    guaranteed_ppv: float
    target_prevalence: float
    against: evaluator.Settings

    @staticmethod
    def add_flags(parser: job.ArgumentParser) -> None:
        """Give a command line the flags of these, but for those of `against`."""
        parser.add_argument("--image-size", type=int, required=True)
        parser.add_argument("--model-package-arn", required=True)
        for name in CALIBRATED:
            parser.add_argument(f"--{CALIBRATION[name].flag}", type=float, required=True)

    @classmethod
    def of(cls, given: Mapping[str, Any], against: evaluator.Settings) -> Self:
        """Settings from parsed flags, checked but for the version's ARN.

        Raises:
            JobError: that is none.
        """
        if not given["model_package_arn"].rpartition("/")[2].isdigit():
            raise JobError(f"{given['model_package_arn']!r} is not the ARN of a registered version.")
        names = {field.name for field in dataclasses.fields(cls)} - {"against"}
        return cls(**{name: given[name] for name in names}, against=against)

    @property
    def version(self) -> int:
        """Number of the version whose weights are taken."""
        return int(self.model_package_arn.rpartition("/")[2])

    def site_limits(self, refused_share: float) -> dict[str, float]:
        """Limits of a site evaluation.

        Args:
            refused_share: share of the radiographs that the detector may refuse.
        """
        own = {name: self.against.limits.values[name] for name in SITE_GATES}
        return {**own, SITE_REFUSALS: refused_share}

    def origin(
        self,
        model: ExportedModel,
        *,
        archive_uri: str | None,
        dataset_sha256: str,
        halves: Mapping[str, SplitCounts],
        labels: ReadersLabels | None = None,
    ) -> CalibratedFrom:
        """Origin of the weights, as documents tell it from now on.

        Args:
            model: of these weights.
            archive_uri: of the site's archive; None where readers' labels calibrated it.
            dataset_sha256: hash of what is in the halves.
            halves: their numbers, by `FITTED` and `HELD_OUT`.
            labels: readers' labels, where these calibrated it.
        """
        found: CalibratedFrom = {
            "package_arn": self.model_package_arn,
            "version": self.version,
            "weights_sha256": model.weights_sha256,
            "archive_uri": archive_uri,
            "dataset_sha256": dataset_sha256,
            "execution": job.execution(),
            "calibrated": datetime.now(UTC).isoformat(timespec="seconds"),
            "fitted": halves[FITTED],
            "held_out": halves[HELD_OUT],
        }
        if labels:
            found["labels"] = labels
        return found


def split_halves(images: list[Radiograph]) -> dict[str, list[Radiograph]]:
    """The two halves of a site's radiographs, by patient and stratified by label; the same for the same images.

    Args:
        images: one of each radiograph.

    Raises:
        JobError: a half has too few patients of a label, naming how many more it takes.
    """
    fitted, held_out = take_patients(
        sorted(images, key=lambda image: image.path), _HELD_OUT_SHARE, np.random.default_rng(_SEED), []
    )
    halves = {FITTED: fitted, HELD_OUT: held_out}
    for name, half in halves.items():
        _refuse_few(name, {label: {image.patient for image in half if image.label == label} for label in LABELS})
    return halves


def answered(scores: TestScores, half: str) -> npt.NDArray[np.bool_]:
    """Mask (n,) of a half's images that the API would answer.

    Raises:
        JobError: these are of too few patients of a label.
    """
    mask = ~scores.refused
    kept = scores.where(mask)
    patients = list(zip(kept.patients, kept.labels, strict=True))
    found = {label: {patient for patient, own in patients if own == number} for number, label in enumerate(LABELS)}
    _refuse_few(half, found, refused=int(scores.refused.sum()))
    return mask


def refuse_beyond_calibration(scores: TestScores, metadata: dict[str, Any], limits: Mapping[str, float]) -> None:
    """Refuse what no calibration mends: a ranking, or a share of refusals, that misses its limit with certainty.

    Args:
        scores: of the half that is fitted on, refused images included.
        metadata: of the model as it was.
        limits: see `site_verdict.check_limits`.

    Raises:
        JobError: naming what is lost.
    """
    if lost := site_verdict.beyond_calibration(site.check(scores, metadata, limits).judgements):
        raise JobError(
            f"Nothing was registered. {lost} It changes neither which radiograph ranks above which nor which are "
            "refused: for this site a model has to be trained on radiographs like its own."
        )


def fitted(
    scores: TestScores,
    settings: Settings,
    old: Mapping[str, Any],
    known: str = "the half of a site's archive that calibrated it",
) -> dict[str, Any]:
    """Members of metadata.json that a site's images choose.

    Args:
        scores: of answered images, both labels present.
        settings: predictive values to guarantee, and the prevalence that all of it is for, if one is named.
        old: metadata of the version as it was. The prevalence that it is for stays where no other is named: whoever
            started its training named it for those who will be asked about, and they are the same.
        known: what these images are called in the guarantee.
    """
    target_prevalence = settings.target_prevalence or old["target_prevalence"]
    calibration = fit_temperature_and_bias(scores.logits, scores.labels)
    if target_prevalence is not None:
        calibration = calibration.at_prevalence(float(scores.labels.mean()), target_prevalence)
    threshold = choose_threshold(scores.logits, scores.labels, calibration)
    band = indeterminate.decide(
        calibration.probability(scores.logits),
        scores.labels,
        patient_numbers(scores.patients),
        threshold=threshold,
        negative_value=settings.guaranteed_npv,
        positive_value=settings.guaranteed_ppv,
        known=known,
        target_prevalence=target_prevalence,
    )
    return {
        **dataclasses.asdict(calibration),
        "target_prevalence": target_prevalence,
        "threshold": threshold,
        "indeterminate": {"low": band.low, "high": band.high},
        "guarantee": band.guarantee,
    }


def _before(scores: TestScores, metadata: dict[str, Any], target: float | None) -> dict[str, Figure]:
    """Figures of the model as it was, on the same images, weighted to the new version's target prevalence."""
    metadata = {**metadata, "target_prevalence": target}
    old = dataclasses.replace(scores, probabilities=Calibration.of(metadata).probability(scores.logits))
    weights = resample_patients(scores.patients, seed=assessment.BOOTSTRAP_SEED)
    evaluation = assessment.document(old, metadata, weights)
    return {name: site.short(figure(evaluation, name) or {}) for name in _FIGURES}


def sentence(origin: CalibratedFrom, earlier: Mapping[str, Figure], evaluation: Mapping[str, Any]) -> str:
    """Sentence on what became better, and what did not, for the person who approves the version."""
    now = {name: figure(evaluation, name) or {} for name in _FIGURES}

    def change(name: str) -> str:
        return f"from {earlier[name]['value']:.3f} to {now[name]['value']:.3f}"

    test, labelled = evaluation["test"], origin.get("labels")
    others = f"On {test['images']:,} others" + ("" if labelled else f", of {test['patients']:,} other patients of it")
    return (
        f"The weights are those of {package_name(origin['package_arn'])}, calibrated on {calibrated_on(origin)}. "
        f"{others}, the calibration error went {change('calibration_error')}, the "
        f"sensitivity {change('sensitivity')} and the specificity {change('specificity')}. The AUROC, "
        f"{now['auroc']['value']:.3f}, is what it was: no calibration changes which radiograph ranks above which."
        f"{f' {CHOSEN_BY_READERS}' if labelled else ''}"
    )


def calibrated_on(origin: Mapping[str, Any]) -> str:
    """Noun phrase for what a version was calibrated on.

    Args:
        origin: `calibrated_from` of its documents.
    """
    images, labelled = f"{origin['fitted']['images']:,} radiographs", origin.get("labels")
    if labelled:
        return f"{images} that readers labelled from {labelled['first']} to {labelled['last']}"
    return f"{images} of {origin['fitted']['patients']:,} patients of a site"


def complete(evaluation: dict[str, Any], origin: CalibratedFrom, held_out: TestScores, old: dict[str, Any]) -> None:
    """Add to an evaluation the origin of the weights, with what the version as it was says on the same images.

    Args:
        evaluation: of the calibrated version.
        origin: where its weights are from.
        held_out: scores that were held out and answered.
        old: metadata of the version as it was.
    """
    target = evaluation["target_prevalence"]
    earlier = _before(held_out, old, target)
    said = sentence(origin, earlier, evaluation) + _another_target(old["target_prevalence"], target)
    evaluation["calibrated_from"] = {**origin, "before": earlier, "sentence": said}


def _another_target(old: float | None, new: float | None) -> str:
    if old == new:
        return ""
    was, now = (
        "the prevalence of the images" if prevalence is None else f"a prevalence of {prevalence:.1%}"
        for prevalence in (old, new)
    )
    return f" Its probabilities were for {was} and are for {now} now, which is a part of the difference."


def _refuse_few(half: str, patients: Mapping[str, set[str]], *, refused: int = 0) -> None:
    missing = {label: FEWEST_PATIENTS - len(found) for label, found in patients.items()}
    few = {label: count for label, count in missing.items() if count > 0}
    if not few:
        return
    there = " and ".join(f"{len(patients[label])} patients with {label}" for label in few)
    # Half of whoever is added comes into this half.
    more = " and ".join(f"{2 * count} more patients with {label}" for label, count in few.items())
    aside = f" (another {refused} images are refused as unlike)" if refused else ""
    raise JobError(
        f"Nothing was registered. Of the archive's radiographs that can be used, the half {_PURPOSES[half]} is of "
        f"{there}{aside}, and {FEWEST_PATIENTS} of each label are the least. Add about {more} to the archive."
    )
