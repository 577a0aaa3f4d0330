"""Coverage of the guaranteed predictive values, at simulated sites whose model and patients are known.

    python -m benchmarks.evaluation.guarantee

Draws the validation patients of 1,000 sites, with as many images a patient as in half of the Kermany archive's
official test, lets `model_code.statistics.indeterminate` decide about the band and compares what it guarantees with
the true predictive values. For each kind of site a line says: in what share of the sites a guaranteed value was not
reached (at most 0.05 is allowed, for both values together), in what share there was a guarantee, and the share of all
patients that is answered where there was. "epochs" sites choose the epoch with the greatest AUROC on the same images,
of ten that are equally good and partly wrong about the same patients. "target" sites guarantee for another prevalence.
The last lines are for the rule of before: the share of new images with pneumonia below the band, of which it promised
2 %. About two minutes.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from benchmarks.evaluation.intervals import NORMAL_PATIENTS, PNEUMONIA_PATIENTS
from model_code.contract.labels import LABELS
from model_code.statistics import metrics
from model_code.statistics.calibration import Calibration
from model_code.statistics.indeterminate import PREDICTIVE_VALUES, TAIL_SHARE, Band, decide
from model_code.statistics.metrics import Array
from model_code.statistics.prevalence import at_prevalence

VALUE = 0.95
# Share of a score's variance that the images of a patient, and that the epochs of a training, have in common.
SHARED, SHARED_BY_EPOCHS = 0.5, 0.7
_POPULATION = 1_000_000


@dataclasses.dataclass(frozen=True)
class Site:
    """A kind of site.

    Attributes:
        patients: in the validation split.
        prevalence: of pneumonia among them.
        area: AUROC of the model.
        noise: share of wrong labels.
        epochs: of which the one with the greatest validation AUROC is kept.
        outliers: share of patients with pneumonia who look the most normal of all, so that the predictive value rises
            with the cut-off before it falls.
        target: prevalence that is guaranteed for; that of the patients where it is 0.
    """

    patients: int
    prevalence: float
    area: float
    noise: float = 0.0
    epochs: int = 1
    outliers: float = 0.0
    target: float = 0.0


SITES = (
    Site(16, 0.5, 0.99),
    Site(125, 0.5, 0.99),
    Site(250, 0.47, 0.98),
    Site(250, 0.47, 0.98, epochs=10),
    Site(500, 0.5, 0.98, noise=0.01),
    Site(500, 0.5, 0.98, noise=0.01, epochs=10),
    Site(1000, 0.5, 0.95),
    Site(1000, 0.5, 0.95, epochs=10),
    Site(1000, 0.5, 0.98, noise=0.01),
    Site(1000, 0.5, 0.98, outliers=0.03),
    Site(1000, 0.2, 0.95),
    Site(4000, 0.1, 0.9, noise=0.01),
    Site(250, 0.75, 0.98, target=0.2),
    Site(250, 0.75, 0.98, target=0.6),
    Site(1000, 0.75, 0.98, target=0.2),
    Site(1000, 0.75, 0.98, target=0.6),
    Site(1000, 0.5, 0.95, target=0.1),
)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Images: logits of each epoch (epochs, n), labels (n,) and numbers of the patients (n,)."""

    logits: Array
    labels: Array
    patients: npt.NDArray[np.int64]


def draw(rng: np.random.Generator, site: Site, patients: int, *, single: bool = False) -> Drawn:
    """Images of so many patients; with `single`, one of each."""
    ill = (rng.random(patients) < site.prevalence).astype(np.float64)
    sizes = np.ones(patients, dtype=int)
    for label, counts in enumerate((NORMAL_PATIENTS, PNEUMONIA_PATIENTS)):
        if not single:
            drawn = rng.choice(np.repeat(list(counts), list(counts.values())), patients)
            sizes = np.where(ill == label, drawn, sizes)
    owner = np.repeat(np.arange(patients), sizes)
    epochs = 1 if single else site.epochs
    common = np.sqrt(SHARED) * rng.normal(size=patients)[owner] + np.sqrt(1 - SHARED) * rng.normal(size=len(owner))
    own = rng.normal(size=(epochs, len(owner)))
    noise = common if epochs == 1 else np.sqrt(SHARED_BY_EPOCHS) * common + np.sqrt(1 - SHARED_BY_EPOCHS) * own
    distance = np.sqrt(2) * norm.ppf(site.area)
    hidden = (rng.random(patients) < site.outliers)[owner] & (ill[owner] == 1)
    logits = np.where(hidden, -20.0, distance * (ill[owner] * distance + noise - distance / 2))
    wrong = rng.random(patients) < site.noise
    labels = np.where(wrong, 1 - ill, ill)[owner]
    return Drawn(np.atleast_2d(logits), labels, owner)


class Population:
    """The true predictive values of a kind of site, for one image each of its patients."""

    def __init__(self, site: Site) -> None:
        drawn = draw(np.random.default_rng(3), site, _POPULATION, single=True)
        order = np.argsort(drawn.logits[0])
        self._logits, labels = drawn.logits[0][order], drawn.labels[order]
        self._positives = np.concatenate([[0], np.cumsum(labels)])

    def beyond(self, label: int, logit: float) -> tuple[float, float]:
        """Share of the patients answered with a label from a cut-off on, and the predictive value there."""
        below = int(np.searchsorted(self._logits, logit))
        answered = below if label == 0 else _POPULATION - below
        positives = self._positives[below] if label == 0 else self._positives[-1] - self._positives[below]
        right = answered - positives if label == 0 else positives
        return answered / _POPULATION, right / max(1, answered)


def decided(drawn: Drawn, site: Site) -> Band:
    """The band around 0.5, which is where Youden's index of these two normal distributions is greatest."""
    weights = np.ones((1, len(drawn.labels)))
    areas = [float(metrics.auroc(drawn.labels, logits, weights)[0]) for logits in drawn.logits]
    return decide(
        Calibration(1.0).probability(drawn.logits[int(np.argmax(areas))]),
        drawn.labels,
        drawn.patients,
        threshold=0.5,
        negative_value=VALUE,
        positive_value=VALUE,
        target_prevalence=site.target or None,
    )


def kept(site: Site, sites: int) -> None:
    """Print the line of one kind of site."""
    population, rng = Population(site), np.random.default_rng(4)
    broken, given, shares = 0, np.zeros(2), [[0.0], [0.0]]
    for _ in range(sites):
        drawn = draw(rng, site, site.patients)
        if len(set(drawn.labels)) < len(LABELS):
            continue
        band = decided(drawn, site)
        missed = False
        for label, (name, end) in enumerate(zip(PREDICTIVE_VALUES, (band.low, band.high), strict=True)):
            if band.guarantee[name] is not None:
                share, value = population.beyond(label, np.log(end / (1 - end)))
                given[label] += 1
                shares[label].append(share)
                if site.target:
                    value = at_prevalence(value, site.prevalence, site.target, label=label)
                missed |= value < VALUE
        broken += missed
    described = ", ".join(f"{name} {value:g}" for name, value in dataclasses.asdict(site).items() if value)
    answered = " ".join(f"{LABELS[label]} {given[label] / sites:.2f} ({np.mean(shares[label][1:] or 0):.2f})"
                        for label in (0, 1))  # fmt: skip
    print(f"{described}: missed {broken / sites:.3f}; guaranteed (answered) {answered}", flush=True)


def earlier(images: int, sites: int) -> None:
    """Print how many new images lay below the band that the earlier rule drew from so many with pneumonia."""
    lowest = np.sort(np.random.default_rng(5).random((sites, images)), axis=1)
    print(f"earlier rule, {images} images: {lowest[:, int(TAIL_SHARE * images)].mean():.4f} beyond")


def main() -> None:
    """Run all of it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sites", type=int, default=1000, help="simulated sites of each kind")
    sites = options.parse_args().sites
    print(f"{sites} sites of each kind, {VALUE:g} guaranteed")
    for site in SITES:
        kept(site, sites)
    for images in (16, 125):
        earlier(images, 20 * sites)


if __name__ == "__main__":
    main()
