"""Documents that travel between jobs, functions and commands, each with the number of its schema, and their reader.

`read_...` takes a document of the current number or of an earlier one, and fills in what the earlier ones lack: who
reads need not know when a member came. Before schema 1 documents had no number; that counts as 0. One of a later
number, and what is no document, raises `DocumentError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NotRequired, TypedDict, cast

EVALUATION = 6
DATASET_CARD = 2
METADATA = 5
REFERENCE = 4
MANIFEST = 2
SITE_EVALUATION = 2

CURRENT_NAMES: Mapping[str, str] = {
    "guard": "out_of_distribution",
    "unfamiliarity": "out_of_distribution_score",
    "called_differently": "predicted_differently",
    "strays": "beyond_limits",
    "litter": "metadata_files",
}
"""Present names by earlier ones: in documents, in answers of older models, in predictions kept since."""

SiteVerdict = Literal["usable", "usable_after_calibration", "not_usable", "too_few"]
"""Codes of a site evaluation's verdict; `evaluation.site_verdict` says what each means."""

_NOTHING_GUARANTEED: Mapping[str, Any] = {"guarantee": None}
FOR_ANYBODY: Mapping[str, Any] = {"population": None, **_NOTHING_GUARANTEED}
_EARLIER_EVALUATION: Mapping[str, Any] = {"calibrated_from": None, "target_prevalence": None, **FOR_ANYBODY}
_EARLIER_REFERENCE: Mapping[str, Any] = {"target_prevalence": None, **_NOTHING_GUARANTEED}
_EARLIER_METADATA: Mapping[str, Any] = {
    "engine": "tensorflow",
    "out_of_distribution": {},
    "bias": 0.0,
    **_EARLIER_EVALUATION,
}

# Pixels of an edge for one place of every backbone's last feature maps, of which maps without `cells` were made.
_STRIDE = 32


class DocumentError(ValueError):
    """A document cannot be read. `str()` is a sentence that says why and what to do."""


class Interval(TypedDict):
    """A range of probabilities, `low` to below `high`."""

    low: float
    high: float


class Guarantee(TypedDict):
    """Least predictive values of the answers outside the indeterminate band, see `statistics.indeterminate`.

    With `confidence`, for patients like the `patients` of the validation split, where the share `prevalence` has
    pneumonia: theirs, or the target prevalence. A value is None where nothing is guaranteed of that answer, and
    `sentence` says why.
    """

    confidence: float
    prevalence: float
    patients: int
    negative_predictive_value: float | None
    positive_predictive_value: float | None
    sentence: str


class Population(TypedDict):
    """The patients and radiographs a model is meant for, see `contract.population`; an empty list limits nothing."""

    ages: list[str]
    views: list[str]
    modalities: list[str]


class AppliedGuarantee(TypedDict):
    """Guarantee of one answer: the least share of such answers that is right."""

    predictive_value: float
    confidence: float
    prevalence: float


class Figure(TypedDict):
    """A metric on the test split with its 95 % interval."""

    value: float
    confidence_interval: list[float]
    standard_deviation: NotRequired[float]


class CalibratedFrom(TypedDict):
    """Origin of the weights of a model that was not trained but calibrated, on a site's archive or on readers' labels.

    `package_arn` and `version` are of the registered version with these weights, `dataset_sha256` of the radiographs or
    labels in their two parts. Where these are labels, `labels` says which, and there is no archive. In an evaluation,
    `before` has that version's own figures on the same images, and `sentence` says what became better and what did not.
    """

    package_arn: str
    version: int
    weights_sha256: str
    archive_uri: str | None
    labels: NotRequired[ReadersLabels]
    dataset_sha256: str
    execution: str
    calibrated: str
    fitted: SplitCounts
    held_out: SplitCounts
    before: NotRequired[dict[str, Figure]]
    sentence: NotRequired[str]


class ReadersLabels(TypedDict):
    """Labels that readers gave to predictions of a version, by days in UTC.

    `since` and `until` were asked for, `first` and `last` are of the labels that were used. Of the `given` ones
    `left_out` has the numbers of those that were not used, by reason (`monitoring.reader_labels`).
    """

    since: str
    until: str
    first: str
    last: str
    given: int
    left_out: dict[str, int]


class SplitCounts(TypedDict):
    """Images of one split: how many, of how many patients, by label and by kind of pneumonia.

    Of how many patients is None where nobody knows, as of predictions, which name none.
    """

    images: int
    patients: int | None
    labels: dict[str, int]
    subtypes: dict[str, int]


class Revision(TypedDict):
    """One import of a reviewed table: of which dataset, the table's SHA-256, when, and how many labels changed."""

    archive_uri: str
    table_sha256: str
    created: str
    changed: dict[str, int]


class Review(TypedDict):
    """Changes of the labels by readers: every revision, and how many labels are others, by split and each way."""

    revisions: list[Revision]
    changed: dict[str, dict[str, int]]


class DatasetCard(TypedDict):
    """dataset.json of SplitDataset: what became of an archive."""

    schema: int
    sha256: str
    labels: list[str]
    archive_uri: str
    image_size: int
    validation_fraction: float
    seed: int
    splits: dict[str, SplitCounts]
    decisions: list[str]
    dropped: list[dict[str, Any]]
    metadata_files: int
    masks: int
    sources: dict[str, Any]
    shortcuts: list[dict[str, Any]]
    audit: dict[str, Any]
    subgroups: NotRequired[dict[str, Any]]
    review: NotRequired[Review]
    created: str


class Metadata(TypedDict):
    """metadata.json in model.tar.gz, which serving and evaluation read.

    Probabilities are for `target_prevalence`; where that is None, for the share of PNEUMONIA among the training images,
    or the images that calibrated the model.
    """

    schema: int
    labels: list[str]
    image_size: int
    threshold: float
    temperature: float
    bias: float
    target_prevalence: float | None
    indeterminate: Interval
    guarantee: Guarantee | None
    population: Population | None
    calibrated_from: CalibratedFrom | None
    out_of_distribution: dict[str, Any]
    saliency: NotRequired[dict[str, Any]]
    engine: str
    engine_weights: NotRequired[str]
    engine_validation: NotRequired[dict[str, Any]]
    backbone: str
    backbone_weights: str
    dataset: dict[str, Any]
    training: dict[str, Any]
    source_revision: str
    versions: dict[str, str]
    created: str


class Evaluation(TypedDict):
    """evaluation.json of EvaluateModel; `contract.metrics` says where each figure is.

    Where there is a `target_prevalence`, the test images are weighted to it in whatever depends on the prevalence.
    """

    schema: int
    binary_classification_metrics: dict[str, Any]
    curve_bands: dict[str, Any]
    decisions: NotRequired[dict[str, Any]]
    calibration: dict[str, Any]
    threshold: float
    target_prevalence: float | None
    indeterminate: dict[str, Any]
    guarantee: dict[str, Any] | None
    population: Population | None
    out_of_distribution: dict[str, Any]
    test: dict[str, Any]
    subgroups: list[dict[str, Any]]
    worst_subgroup: dict[str, Any]
    dataset_sha256: str
    calibrated_from: CalibratedFrom | None
    engine: dict[str, Any]
    saliency: dict[str, Any]
    comparison: dict[str, Any]
    gates: dict[str, Any]


class SiteEvaluation(TypedDict):
    """site_evaluation.json of EvaluateSite: a registered model on the radiographs of a site.

    `images` counts what became of the archive's files, `known` those that the model has seen; None where its dataset
    left no fingerprints. `evaluation` has the members of `Evaluation` that need no training, of the images that were
    answered; `own` and `differences` are figures by name.
    """

    schema: int
    model_version: int
    dataset_sha256: str
    threshold: float
    archive_uri: str
    execution: str
    created: str
    verdict: dict[str, Any]
    judgements: list[dict[str, Any]]
    doubts: list[str]
    images: dict[str, int]
    known: dict[str, int] | None
    dropped: list[dict[str, Any]]
    refused_share: Figure
    evaluation: dict[str, Any]
    own: dict[str, Figure]
    differences: dict[str, Figure]


class Reference(TypedDict):
    """reference.json of EvaluateModel: what predictions of the model are compared with.

    The samples of `validation` count as `independent` images, and have its `prevalence`.
    """

    schema: int
    dataset_sha256: str
    threshold: float
    indeterminate: Interval
    guarantee: Guarantee | None
    target_prevalence: float | None
    validation: dict[str, Any]
    evaluation: dict[str, Any]


def map_cells(described: Mapping[str, Any]) -> int:
    """Places along each edge that a model's saliency maps tell apart.

    Args:
        described: the model's metadata, or the `model` of an answer; has `image_size` and may have `saliency`.
    """
    own = described.get("saliency", {}).get("cells")
    return int(own or -(-int(described["image_size"]) // _STRIDE))


def read_dataset_card(document: Mapping[str, Any]) -> DatasetCard:
    """A dataset card."""
    return cast("DatasetCard", current(document, "dataset card", DATASET_CARD, {"masks": 0}, with_current_names))


def read_metadata(document: Mapping[str, Any]) -> Metadata:
    """A model's metadata. TensorFlow computes one that names no engine; before schema 2 nothing is guaranteed."""
    return cast("Metadata", current(document, "model's metadata", METADATA, _EARLIER_METADATA, with_current_names))


def read_evaluation(document: Mapping[str, Any]) -> Evaluation:
    """An evaluation."""
    return cast("Evaluation", current(document, "evaluation", EVALUATION, _EARLIER_EVALUATION, _of_engine))


def read_site_evaluation(document: Mapping[str, Any]) -> SiteEvaluation:
    """An evaluation on a site's radiographs."""
    return cast("SiteEvaluation", current(document, "site evaluation", SITE_EVALUATION, {}, with_current_names))


def read_reference(document: Mapping[str, Any]) -> Reference:
    """A reference; before schema 1 its number was called `version`, and 1 already."""
    return cast("Reference", current(document, "model's reference", REFERENCE, _EARLIER_REFERENCE, _of_version))


def current(
    document: Any,
    name: str,
    number: int,
    absent: Mapping[str, Any],
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> dict[str, Any]:
    """A document with the members of today's.

    Args:
        number: number of today's schema.
        absent: members that earlier numbers lack.
        upgrade: change of an earlier one besides those.

    Raises:
        DocumentError: it is of a later number, or none.
    """
    if not isinstance(document, Mapping):
        raise DocumentError(f"The {name} is no JSON object.")
    found = document.get("schema", 0)
    if not isinstance(found, int) or found > number:
        raise DocumentError(f"The {name} is of schema {found}, where {number} is the latest understood: deploy again.")
    if found == number:
        return dict(document)
    return {**absent, **upgrade(dict(document)), "schema": number}


def with_current_names(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document with the names of today, down to the parts that have had others."""
    renamed = {CURRENT_NAMES.get(name, name): value for name, value in document.items()}
    inside = {"comparison", "engine", "evaluation", "validation"} & renamed.keys()
    return renamed | {name: with_current_names(renamed[name]) for name in inside if isinstance(renamed[name], Mapping)}


def _of_engine(document: dict[str, Any]) -> dict[str, Any]:
    # Before there were two engines none was named, and later TensorFlow Serving's weights were not.
    found = with_current_names(document)
    engine = {"name": "tensorflow", **found.get("engine", {})}
    return {**found, "engine": {"weights": "float32" if engine["name"] == "tensorflow" else None, **engine}}


def _of_version(document: dict[str, Any]) -> dict[str, Any]:
    version = document.pop("version", None)
    if "schema" not in document and version != 1:
        raise DocumentError(f"The model's reference is of version {version}, where 1 is understood: deploy again.")
    found = with_current_names(document)
    if "validation" in found:
        # Before there were target prevalences each patient counted.
        known = found["validation"]
        found["validation"] = {**known, "independent": known.get("patients", 0)}
    return found
