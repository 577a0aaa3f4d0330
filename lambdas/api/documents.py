"""The API's documents, of all paths: what the functions here validate with, and what openapi.json is made of.

Predict builds its answers without pydantic; the tests hold them against these models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from model_code.contract import answer
from model_code.contract.documents import SiteVerdict

ReadersWord = Literal["NORMAL", "PNEUMONIA", "UNSURE"]
MediaType = Literal["image/jpeg", "image/png", "application/dicom"]
Probability = Annotated[float, Field(ge=0, le=1)]
Base64 = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]
# Whole groups of four characters, without line breaks.
BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
Count = Annotated[int, Field(ge=1)]
PatientAge = Annotated[
    float | None,
    Field(ge=0, lt=120, description="Compared with the model's population where no DICOM file states it; not kept."),
]


def _in_utc(value: datetime) -> datetime:
    if value.utcoffset() is None:
        raise ValueError("a time has to say its zone")
    return value


Time = Annotated[datetime, AfterValidator(_in_utc)]


class Document(BaseModel):
    """A JSON object with no other members than these."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _public_fields(part: type) -> dict[str, Any]:
    """Fields of the public members of the container's answer; older predictions lack some."""
    return {
        name: (
            Annotated[kind, Field(description=member.sentence, ge=member.least, le=member.greatest)],
            None if answer.may_be_absent(kind) else ...,
        )
        for name, (kind, member) in answer.member_types(part).items()
    }


class Band(Document):
    """Probabilities from `low` to below `high` are indeterminate: the validation data do not decide there."""

    low: Probability
    high: Probability


class Guarantee(Document):
    """The least share of answers with this label, outside the indeterminate band, that is right."""

    predictive_value: Annotated[
        Probability, Field(description="Negative of the answers NORMAL, positive of the answers PNEUMONIA.")
    ]
    confidence: Annotated[Probability, Field(description="That the share is no lower, and the other label's neither.")]
    prevalence: Annotated[
        Probability, Field(description="Of pneumonia among the patients for whom it holds; docs/api.md has others.")
    ]


class _Version(Document):
    package_arn: str
    group: str
    version: Count
    indeterminate: Band


_OfModel: Any = create_model("_OfModel", __base__=_Version, **_public_fields(answer.AnsweringModel))


class Model(_OfModel):  # type: ignore[misc]  # its last fields are those of `contract.answer`
    """The model package that gave an answer."""


class Dicom(Document):
    """Facts about a DICOM file: its own statements, and the rendering of its picture."""

    modality: Annotated[str, Field(description="CR, DX, DR or RG; `unstated` where the file names none.")]
    photometric_interpretation: str
    body_part: Annotated[
        Literal["chest", "other", "unstated"],
        Field(description="What the file says, in many languages. Often wrong in real files, so it refuses nothing."),
    ]
    rendering: Annotated[
        Literal["voi_lut", "window", "full_range"] | None,
        Field(
            description="What made grey levels of the stored values: a VOI LUT or a window, as the file asks, or "
            "`full_range` where it has no usable one: its lowest value is black and its highest white, though nobody "
            "said what is to be seen, so take the probability with more care. Not in older predictions."
        ),
    ] = None


class Population(Document):
    """Whom and what the model is meant for, as its training data were; an empty list limits nothing."""

    ages: Annotated[list[str], Field(description="Bands of years, from the youngest to the oldest.")]
    views: Annotated[list[Literal["AP", "PA"]], Field(description="View positions.")]
    modalities: Annotated[list[str], Field(description="DICOM modalities.")]


class Overlay(Document):
    """A transparent heat map, to be stretched over the upright radiograph."""

    media_type: Literal["image/png"]
    data: Base64
    cells: Annotated[
        Count | None,
        Field(
            description="Places along each edge that the map distinguishes; colours between them are interpolated. Not "
            "in older answers."
        ),
    ] = None
    empty: Annotated[
        bool | None,
        Field(
            description="Nothing is marked: the model found nothing that speaks for PNEUMONIA enough. null from a "
            "model that does not say."
        ),
    ] = None


class Radiograph(Document):
    """A DICOM file as the model was shown it, upright and grey: what the overlay is to be stretched over."""

    media_type: Literal["image/png"]
    data: Base64


class _Identified(Document):
    id: str


_OfImage: Any = create_model("_OfImage", __base__=_Identified, **_public_fields(answer.AnsweredImage))


class KeptPrediction(_OfImage):  # type: ignore[misc]  # its first fields are those of `contract.answer`
    """A prediction as it is kept: without image and overlay."""

    guarantee: Annotated[
        Guarantee | None,
        Field(
            description="null where nothing is guaranteed of this answer: it is indeterminate, it is about a patient "
            "whom the model is not meant for, or the validation data were too few. Not in older predictions."
        ),
    ] = None
    threshold: Probability
    model: Model
    dicom: Dicom | None = None
    notice: str


class Prediction(KeptPrediction):
    """The answer to a radiograph."""

    outside_intended_population: Annotated[
        list[Literal["age", "view"]] | None,
        Field(
            description="What is stated and lies outside of the population the model is meant for, where the "
            "deployment answers such a radiograph; not kept, and not in a repeated answer."
        ),
    ] = None
    overlay: Overlay | None = None
    radiograph: Annotated[
        Radiograph | None, Field(description="Of a DICOM file, with an overlay; not in a repeated answer.")
    ] = None


class ReadersLabel(Document):
    """A reader's label for a radiograph; UNSURE stands for neither of the two, and monitoring does not count it."""

    label: ReadersWord


class Feedback(Document):
    """A reader's label as it was recorded."""

    id: Annotated[str, Field(description="Of the prediction.")]
    label: ReadersWord
    received_at: Time


class Result(Document):
    """A kept prediction, until when it is kept, and the last label that a reader gave it."""

    prediction: KeptPrediction
    created_at: Time
    expires_at: Time
    feedback: Feedback | None


class ImageInDocument(Document):
    """An image inside a JSON document."""

    image: Annotated[Base64, Field(min_length=4, pattern=BASE64, description="A JPEG, PNG or DICOM file.")]
    patient_age_years: PatientAge = None


class UploadedImage(Document):
    """An image that was uploaded before."""

    upload: Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="The `upload` of POST /v1/uploads.")]
    patient_age_years: PatientAge = None


class UploadRequest(Document):
    """Request for an upload: the media type of the file."""

    media_type: MediaType


class Upload(Document):
    """A form with which one file can be sent to S3: post `fields`, then the file as `file`, to `url`."""

    upload: Annotated[str, Field(description="What to name in POST /v1/predictions.")]
    url: str
    fields: dict[str, str]
    max_bytes: Count
    expires_at: Annotated[Time, Field(description="When the form stops working.")]


class Metric(Document):
    """A figure with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Metrics(Document):
    """Figures of the model on the held-out test split."""

    auroc: Metric
    sensitivity: Metric
    specificity: Metric
    calibration_error: Metric
    images: Count
    patients: Count


class SiteEvaluation(Document):
    """Figures of the model, unchanged, on the radiographs of a site, which is not named."""

    evaluated_at: Time
    verdict: Annotated[
        SiteVerdict,
        Field(description="Whether the figures keep the deployment's limits; `too_few` where the images do not tell."),
    ]
    images: Annotated[Count, Field(description="That were answered: the figures are of these.")]
    patients: Count
    refused_share: Annotated[
        Metric, Field(description="Of all scored images, those answered `not_a_radiograph` by the API.")
    ]
    auroc: Metric
    sensitivity: Metric
    specificity: Metric


class Approval(Document):
    """Decision about the version, and the time of its last change."""

    status: Literal["Approved", "Rejected", "PendingManualApproval"]
    changed_at: Time


class ModelGuarantee(Document):
    """Guaranteed predictive values outside the indeterminate band, and the validation patients they rest on."""

    negative_predictive_value: Annotated[
        Probability | None, Field(description="At least so many of the answers NORMAL are right; null: no guarantee.")
    ]
    positive_predictive_value: Annotated[Probability | None, Field(description="The same of the answers PNEUMONIA.")]
    confidence: Annotated[Probability, Field(description="That both hold.")]
    prevalence: Annotated[
        Probability,
        Field(
            description="Of pneumonia, for which both hold: that of the validation patients, or `target_prevalence`."
        ),
    ]
    patients: Annotated[int, Field(ge=1, description="In the validation data.")]
    sentence: Annotated[str, Field(description="The same in words, with the reason where there is no guarantee.")]


class Engine(Document):
    """Inference engine that computes the answers."""

    name: Annotated[str, Field(description="`tensorflow` or `litert`.")]
    weights: Annotated[
        str | None,
        Field(
            description="The numbers its weights are kept as; null of a model that was evaluated before that was said."
        ),
    ]


class CalibratedFrom(Document):
    """The version whose weights a calibrated one has, and when and to how many of a site's patients it was fitted."""

    package_arn: str
    version: Count
    calibrated_at: Time
    patients: Annotated[
        int | None,
        Field(
            ge=1,
            description="Patients of the site to whom it was fitted; others judged it. null where it was fitted to "
            "readers' labels of predictions, which name no patient.",
        ),
    ]
    labels: Annotated[
        int | None,
        Field(ge=1, description="Readers' labels that it was fitted to; null where it was a site's archive."),
    ]


class ServingModel(Document):
    """The model package that serves."""

    package_arn: str
    group: str
    version: Count
    registered_at: Time
    approval: Approval
    threshold: Probability
    indeterminate: Band
    guarantee: Annotated[
        ModelGuarantee | None, Field(description="null of a model that was trained before there were guarantees.")
    ]
    target_prevalence: Annotated[
        Probability | None,
        Field(
            description="Of pneumonia among those who will be asked about, as it was named: probabilities and figures "
            "are for it. null where none was named: they are for that of the images."
        ),
    ]
    population: Annotated[Population | None, Field(description="null where the training data did not say.")]
    engine: Engine
    metrics: Metrics
    site_evaluations: Annotated[
        list[SiteEvaluation] | None,
        Field(
            description="The newest 20, newest first; empty where there is none, null where they could not be read now."
        ),
    ]
    unreadable_site_evaluations: Annotated[
        int, Field(ge=0, description="How many of the newest 20 are left out, because they cannot be understood.")
    ]
    dataset_sha256: str
    artifact_sha256: Annotated[
        str | None,
        Field(
            description="SHA-256 of model.tar.gz, as it was signed when the model was registered; null where it was "
            "not, or where that could not be verified."
        ),
    ]
    served_sha256: Annotated[
        str | None,
        Field(
            description="Digest of the files in model.tar.gz (in-toto's dirHash), as it was signed with it: an answer "
            "with the same was computed by what was registered. null where none was signed or could be verified."
        ),
    ]
    calibrated_from: Annotated[
        CalibratedFrom | None,
        Field(description="Where its weights are from, of a version that was calibrated to a site; else null."),
    ]
    notice: str


class Health(Document):
    """Whether a model is serving."""

    status: Literal["ok", "no_model_released", "failed"]
    endpoint_status: Annotated[str | None, Field(description="SageMaker's own word for it.")]
    notice: str


class ProblemDocument(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    detail: str
    code: Annotated[str, Field(description="Stays the same; docs/api.md lists them.")]
    request_id: str
