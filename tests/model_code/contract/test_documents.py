"""A document of an earlier number reads like one of today's; one of a later number is refused with what to do."""

from __future__ import annotations

import pytest

from model_code.contract import documents
from model_code.contract.answer import read_answer
from model_code.contract.documents import (
    DocumentError,
    read_dataset_card,
    read_evaluation,
    read_metadata,
    read_reference,
    read_site_evaluation,
)

READERS = [read_answer, read_dataset_card, read_evaluation, read_metadata, read_reference]
MODEL = {"package_arn": "arn", "threshold": 0.5, "indeterminate": {"low": 0.4, "high": 0.5}, "image_size": 220,
         "dataset_sha256": "d"}  # fmt: skip


@pytest.mark.parametrize("read", READERS)
def test_a_later_number_and_what_is_no_document_are_refused(read):
    with pytest.raises(DocumentError, match=r"is of schema 99, where \d is the latest understood: deploy again\.$"):
        read({"schema": 99})
    with pytest.raises(DocumentError, match="is no JSON object"):
        read([])


def test_what_has_the_current_number_is_read_as_it_is():
    document = {"schema": documents.EVALUATION, "threshold": 0.4}
    assert read_evaluation(document) == document


def test_metadata_of_before_there_were_engines_is_tensorflow_s():
    found = read_metadata({"threshold": 0.4})
    assert (found["schema"], found["engine"], found["out_of_distribution"]) == (documents.METADATA, "tensorflow", {})
    assert read_metadata({"threshold": 0.4, "engine": "litert"})["engine"] == "litert"


def test_an_answer_of_before_monitoring_has_no_features():
    found = read_answer({"predictions": [{"probability": 0.1}], "model": MODEL})
    assert found["predictions"][0]["features"] == []
    assert found["predictions"][0]["out_of_distribution_score"] == 0
    assert found["model"]["engine"] == "tensorflow"


def test_a_reference_whose_number_was_its_version_is_read():
    found = read_reference({"version": 1, "threshold": 0.4})
    absent = {"guarantee": None, "target_prevalence": None}
    assert found == {"schema": documents.REFERENCE, "threshold": 0.4, **absent}
    with pytest.raises(DocumentError, match="of version 2, where 1 is understood"):
        read_reference({"version": 2})


def test_before_there_were_target_prevalences_figures_were_for_that_of_the_images_and_each_patient_counted():
    assert read_metadata({"schema": 4, "bias": 0.3})["target_prevalence"] is None
    assert read_evaluation({"schema": 5, "threshold": 0.4})["target_prevalence"] is None
    assert read_reference({"schema": 3, "validation": {"patients": 7}})["validation"]["independent"] == 7


def test_what_was_written_before_there_were_guarantees_guarantees_nothing():
    for read in (read_metadata, read_evaluation, read_reference):
        assert read({"schema": 1, "threshold": 0.4})["guarantee"] is None
    assert read_answer({"schema": 1, "predictions": [], "model": MODEL})["model"]["guarantee"] is None


def test_a_model_of_before_populations_were_told_is_meant_for_anybody_whose_images_are_like_its_own():
    for read in (read_metadata, read_evaluation):
        assert read({"schema": 2, "threshold": 0.4})["population"] is None
    assert read_answer({"schema": 2, "predictions": [], "model": MODEL})["model"]["population"] is None


def test_a_model_of_before_its_files_were_told_tells_none():
    assert read_answer({"schema": 4, "predictions": [], "model": MODEL})["model"]["served_sha256"] is None


def test_a_guarantee_is_kept_as_it_stands():
    guarantee = {"confidence": 0.95, "prevalence": 0.4, "patients": 200, "negative_predictive_value": 0.95}
    assert read_metadata({"schema": 2, "guarantee": guarantee})["guarantee"] == guarantee


def test_a_dataset_card_of_before_masks_were_told_apart_counts_none():
    card = read_dataset_card({"litter": 3})
    assert (card["masks"], card["metadata_files"]) == (0, 3)


@pytest.mark.parametrize(
    ("engine", "weights"), [({}, "float32"), ({"name": "tensorflow"}, "float32"), ({"name": "litert"}, None)]
)
def test_an_evaluation_of_before_an_engine_s_weights_were_named_says_what_is_known(engine, weights):
    known = read_evaluation({"schema": 4, "engine": engine})["engine"]
    assert known == {"name": "tensorflow", "weights": weights, **engine}
    assert read_evaluation({})["engine"] == {"name": "tensorflow", "weights": "float32"}


def test_names_of_before_are_read_as_those_of_today():
    """A registered model's documents stay as they were written."""
    detector, scores = {"active": True}, [0.2, 0.4]
    assert read_metadata({"schema": 3, "guard": detector})["out_of_distribution"] == detector
    evaluation = read_evaluation({"schema": 3, "guard": detector, "comparison": {"called_differently": 3}})
    assert (evaluation["out_of_distribution"], evaluation["comparison"]) == (detector, {"predicted_differently": 3})
    engine = read_evaluation({"schema": 4, "engine": {"name": "litert", "weights": "int8", "strays": 1}})["engine"]
    assert engine == {"name": "litert", "weights": "int8", "beyond_limits": 1}
    site = read_site_evaluation({"schema": 1, "evaluation": {"guard": detector}})
    assert site["evaluation"] == {"out_of_distribution": detector}
    reference = read_reference({"schema": 2, "validation": {"unfamiliarity": scores}})
    assert reference["validation"]["out_of_distribution_score"] == scores
    answer = read_answer({"schema": 3, "predictions": [{"unfamiliarity": 0.2}], "model": MODEL})
    assert answer["predictions"] == [{"out_of_distribution_score": 0.2, "features": []}]
