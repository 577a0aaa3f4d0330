"""Members of the endpoint's answer that a client is told: declared once, and checked where they are handed on."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypedDict

import pytest

from model_code.contract.answer import (
    AnsweredImage,
    AnsweringModel,
    PublicMember,
    may_be_absent,
    member_types,
    public_members,
)

IMAGE = {"probability": 0.9, "logit": 2.2, "out_of_distribution_score": 0.4, "label": "PNEUMONIA",
         "indeterminate": False, "features": [0.1], "overlay_png": "…"}  # fmt: skip


class Part(TypedDict):
    """A part of an answer with a told member of each type."""

    kept_back: str
    number: Annotated[float, PublicMember("A number.", example=0.5, least=0, greatest=1)]
    whole: Annotated[int, PublicMember("A whole one.", example=3, least=1)]
    word: Annotated[Literal["one", "two"], PublicMember("A word.", example="one")]
    words: Annotated[list[str], PublicMember("Words.", example=["one"])]
    later: Annotated[int | None, PublicMember("A later member.", example=2, least=1)]


GOOD = {"kept_back": "x", "number": 0, "whole": 1, "word": "two", "words": [], "later": None}


def test_only_what_is_told_is_handed_on() -> None:
    """Monitoring's numbers and the overlay are no members of the answer's top."""
    assert public_members(AnsweredImage, IMAGE) == {"probability": 0.9, "label": "PNEUMONIA", "indeterminate": False}
    assert public_members(Part, GOOD) == {name: value for name, value in GOOD.items() if name != "kept_back"}


def test_what_models_of_before_do_not_answer_is_none() -> None:
    assert public_members(Part, {name: value for name, value in GOOD.items() if name != "later"})["later"] is None
    with pytest.raises(KeyError):
        public_members(Part, {name: value for name, value in GOOD.items() if name != "whole"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("number", one) for one in (-0.1, 1.1, math.nan, math.inf, True, "0.5", None)),
        *(("whole", one) for one in (0, 1.0, True, None)),
        *(("word", one) for one in ("three", None, ["one"])),
        *(("words", one) for one in ("one", [1], [None])),
        *(("later", one) for one in (0, "2", 1.5)),
    ],
)
def test_what_is_of_another_type_or_out_of_range_is_refused(name: str, value: Any) -> None:
    """It would reach clients as the API's own word."""
    with pytest.raises(ValueError, match=f"^{name} is not"):
        public_members(Part, {**GOOD, name: value})


@pytest.mark.parametrize(
    ("part", "first"),
    [(AnsweredImage, {"probability", "label", "indeterminate"}),
     (AnsweringModel, {"image_size", "dataset_sha256", "engine"})],
)  # fmt: skip
def test_a_later_member_may_be_none(part: type, first: set[str]) -> None:
    """Models that serve already do not answer it, and predictions that are kept do not have it."""
    assert {name for name, (kind, _) in member_types(part).items() if not may_be_absent(kind)} == first


@pytest.mark.parametrize("part", [AnsweredImage, AnsweringModel])
def test_an_example_is_one(part: type) -> None:
    example = {name: one.example for name, (_, one) in member_types(part).items()}
    assert public_members(part, example) == example
