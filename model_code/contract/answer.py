"""The endpoint's answer: its members, and which of them the API passes on to its clients unchanged.

A `PublicMember` is a field of the API's answer, with nothing to add elsewhere: the Predict function checks it
and hands it on, and the API's models, their description and the examples are made of what stands here
(`lambdas/api/documents.py`). The container imports this module, so it needs the standard library only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast, get_args, get_origin, get_type_hints

from model_code.contract.documents import FOR_ANYBODY, Guarantee, Interval, Population, current, with_current_names
from model_code.contract.labels import Label

ANSWER = 5


@dataclass(frozen=True)
class PublicMember:
    """Annotation of a member that clients get, and that is kept with the prediction: nothing of the image itself.

    Its type is `str`, `int`, `float`, `bool`, a `Literal` or a list of these, and `None` beside it in a member that
    older models do not answer.

    Attributes:
        sentence: description in openapi.json.
        example: value in the examples.
        least: smallest accepted number.
        greatest: likewise.
    """

    sentence: str
    example: Any
    least: float | None = None
    greatest: float | None = None

    def accepts(self, value: Any) -> bool:
        """Whether a value of the member's type is in its range; None is in any."""
        if value is None:
            return True
        return (self.least is None or value >= self.least) and (self.greatest is None or value <= self.greatest)


class AnsweredImage(TypedDict):
    """The endpoint's answer for one image.

    Models older than the detector answer 0 as `out_of_distribution_score`, those older than monitoring no `features`.
    Where asked for: `overlay_png` in base64, and `overlay_cells`, the places along each edge that its map tells apart.
    """

    probability: Annotated[
        float, PublicMember("Of pneumonia, calibrated on validation data.", example=0.93, least=0, greatest=1)
    ]
    logit: float
    out_of_distribution_score: float
    label: Annotated[Label, PublicMember("PNEUMONIA from the threshold on.", example="PNEUMONIA")]
    indeterminate: Annotated[
        bool, PublicMember("The probability lies in the model's indeterminate band.", example=False)
    ]
    features: list[float]
    overlay_png: NotRequired[str]
    overlay_cells: NotRequired[int]
    overlay_empty: NotRequired[bool]


class AnsweringModel(TypedDict):
    """The model that answered; `served_sha256` is of `contract.served_files`."""

    package_arn: str | None
    threshold: float
    indeterminate: Interval
    guarantee: Guarantee | None
    population: Population | None
    image_size: Annotated[int, PublicMember("Pixels of a side of what the network sees.", example=220, least=1)]
    dataset_sha256: Annotated[str, PublicMember("Content of the data set it was trained on.", example="0f" * 32)]
    served_sha256: Annotated[
        str | None,
        PublicMember(
            "Digest of the files that the container loaded: what `GET /v1/model` has of this version. null of an older "
            "model, which does not report it.",
            example="5e" * 32,
        ),
    ]
    engine: Annotated[str, PublicMember("What computes the answer.", example="tensorflow")]


class Answer(TypedDict):
    """The endpoint's answer to a request of one image or several."""

    schema: int
    predictions: list[AnsweredImage]
    model: AnsweringModel


def read_answer(document: Mapping[str, Any]) -> Answer:
    """The endpoint's answer.

    Raises:
        DocumentError: it is of a later number, or none.
    """
    return cast("Answer", current(document, "model's answer", ANSWER, {}, _with_observations))


@functools.cache
def member_types(part: type) -> Mapping[str, tuple[Any, PublicMember]]:
    """Type and annotation of each public member of AnsweredImage or AnsweringModel, by its name."""
    found = {}
    for name, hint in get_type_hints(part, include_extras=True).items():
        if get_origin(hint) is Annotated:
            kind, member = get_args(hint)
            found[name] = kind, member
    return found


def may_be_absent(kind: Any) -> bool:
    """Whether a public member of this type may be missing from answers of older models: then it is None."""
    return NoneType in get_args(kind)


def public_members(part: type, answered: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an answer that a client gets.

    Args:
        part: AnsweredImage or AnsweringModel.
        answered: that part of an answer.

    Raises:
        KeyError: one is missing.
        ValueError: one is not of its type, or out of its range.
    """
    found = {}
    for name, (kind, member) in member_types(part).items():
        value = answered.get(name) if may_be_absent(kind) else answered[name]
        if not _is(value, kind) or not member.accepts(value):
            raise ValueError(f"{name} is not what the container answers")
        found[name] = value
    return found


def _is(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of a type of `PublicMember`'s; a whole number is a float too, and NaN is no number."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is UnionType:
        return any(_is(value, option) for option in get_args(kind))
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_is(item, get_args(kind)[0]) for item in value)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def _with_observations(document: dict[str, Any]) -> dict[str, Any]:
    model = {"engine": "tensorflow", "served_sha256": None, **FOR_ANYBODY, **document["model"]}
    earlier = {"out_of_distribution_score": 0.0, "features": []}
    predictions = [{**earlier, **with_current_names(prediction)} for prediction in document["predictions"]]
    return {**document, "predictions": predictions, "model": model}
