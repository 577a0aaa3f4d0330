"""Every way in which a request for a prediction can end is counted as refused or failed, and has words."""

from lambdas.http.problems import KINDS
from model_code.contract.outcomes import FAILED, REFUSED, of_problem

# Of other paths or methods, which are not counted.
ELSEWHERE = {"not_found", "prediction_not_found", "method_not_allowed"}


def test_every_code_of_the_api_is_an_outcome_and_every_outcome_a_code():
    codes = {outcome.removeprefix("dicom_") for outcome in (*REFUSED, *FAILED) if outcome != "dicom_result_not_made"}
    assert codes | {"dicom_result_not_made"} | ELSEWHERE == set(KINDS)


def test_what_the_request_brought_about_is_refused_and_what_the_service_did_failed():
    refused = {outcome.removeprefix("dicom_") for outcome in REFUSED}
    assert {KINDS[code].status // 100 for code in refused} == {4}
    # 429 is a 4xx, but who sent one request cannot help it that others sent too many.
    assert {code for code in FAILED if KINDS[code].status < 500} == {"throttled"}
    assert not set(REFUSED) & set(FAILED)


def test_refusals_of_dicom_files_are_told_apart_from_those_of_the_model():
    assert of_problem("not_a_radiograph", dicom=True) == "dicom_not_a_radiograph"
    assert of_problem("not_a_radiograph", dicom=False) == "not_a_radiograph"
    # The conversion ran out of time: no kind of file.
    assert of_problem("model_timeout", dicom=True) == "model_timeout"
