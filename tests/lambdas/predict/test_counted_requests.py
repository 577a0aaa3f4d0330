"""Each request for a prediction is counted once, by its outcome, in the log that CloudWatch makes the metric of."""

import json

from lambdas.predict.dicom import Dicom
from lambdas.predict.endpoint_invocation import Model
from lambdas.predict.endpoint_status import Endpoint
from lambdas.predict.lambda_invocation import Function
from model_code.contract.outcomes import FAILED, REFUSED
from tests.lambdas.predict.api_calls import JPEG, KEYED, event, fails, made, scores
from tests.lambdas.predict.dicom_services import Functions, body


def counted(capsys):
    """Outcomes of the lines, read as CloudWatch does by the embedded metric format's specification."""
    outcomes = []
    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert directive["Namespace"] == "ChestXray/Api"
            assert directive["Metrics"] == [{"Name": "Requests", "Unit": "Count"}]
            (names,) = directive["Dimensions"]
            assert (line["Requests"], line["Endpoint"]) == (1, "cxr-dev")
            assert line["_aws"]["Timestamp"] > 1_700_000_000_000, "milliseconds"
            outcomes.append({name: line[name] for name in names}["Outcome"])
    return outcomes


def test_answers_refusals_and_failures_are_told_apart(api, runtime, control, capsys):
    scores(runtime)
    api.answer(event())
    api.answer(event(JPEG.ljust(5000, b"S")))
    refused = json.dumps({"error": "not_a_radiograph: No."})
    fails(runtime, "ModelError", "x", OriginalStatusCode=500, OriginalMessage=refused)
    api.answer(event())
    fails(runtime, "AccessDeniedException", "no")
    api.answer(event())
    outcomes = counted(capsys)
    assert outcomes == ["predicted", "image_too_large", "not_a_radiograph", "model_error"]
    assert set(outcomes[1:]) <= {*REFUSED, *FAILED}


def test_a_refused_dicom_file_is_not_taken_for_an_image_that_the_model_refused(clients, capsys):
    functions = Functions(answers={"dicom": {"Payload": body({"code": "not_a_radiograph", "detail": "A report."})}})
    endpoint = Endpoint(client=lambda: None, name="cxr-dev")
    dicom = Dicom(Function(lambda: functions, "dicom"))
    api = made(Model(clients["sagemaker-runtime"], endpoint), endpoint, dicom=dicom)
    assert api.answer(event(bytes(128) + b"DICM", "application/dicom"))["statusCode"] == 422
    assert counted(capsys) == ["dicom_not_a_radiograph"]


def test_a_repeated_request_is_no_second_prediction(clients, runtime, control, capsys):
    endpoint = Endpoint(client=lambda: None, name="cxr-dev")

    class Remembering:
        def claim(self, *_):
            return None, {"id": "first", "probability": 0.1, "answered_at": "2026-11-28T09:30:05+00:00"}

    made(Model(clients["sagemaker-runtime"], endpoint), endpoint, requests=Remembering()).answer(event(**KEYED))
    assert counted(capsys) == ["repeated"]


def test_other_paths_and_methods_are_not_counted(api, capsys):
    api.answer(event(path="/nowhere"))
    api.answer(event(method="PUT"))
    assert counted(capsys) == []
