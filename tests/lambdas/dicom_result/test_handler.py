"""DicomResult as Lambda calls it: what it answers, and that what fails tells nobody's name."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_results import source
from tests.dicom_results.radiographs import opened, radiograph


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global handle, multipart
    from lambdas.dicom_result.handler import handle, multipart


REPOSITORY = Path(__file__).parents[3]
ANSWER = {
    "id": "f74d4970-0000-4000-8000-000000000001",
    "probability": 0.25,
    "label": "NORMAL",
    "indeterminate": False,
    "guarantee": {"predictive_value": 0.95, "confidence": 0.95, "prevalence": 0.4},
    "threshold": 0.5,
    "model": {
        "package_arn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/12",
        "version": 12,
        "indeterminate": {"low": 0.4, "high": 0.6},
        "dataset_sha256": "ab" * 32,
        "served_sha256": "5e" * 32,
    },
    "notice": "For research use only.",
}


def event(**changed):
    reference = source.read(io.BytesIO(radiograph(PatientName="SECRET")))
    encoded = base64.b64encode(source.encode(reference)).decode()
    return {
        "source": encoded,
        "answer": ANSWER,
        "answered_at": "2026-11-28T09:30:05+00:00",
        "form": "application/dicom",
    } | changed


def test_a_report_says_what_the_answer_says():
    answer = handle(event(), None)
    assert answer["media_type"] == "application/dicom"
    said = opened(base64.b64decode(answer["body"])).to_json()
    for expected in (
        "For research use only. At least 95% of such answers",
        "Absent",
        '"12"',
        "indeterminate_below=0.6",
    ):
        assert expected in said


def test_a_patient_whom_the_model_is_not_meant_for_is_told_of_in_it():
    told = {**ANSWER, "outside_intended_population": ["age"], "guarantee": None}
    said = opened(base64.b64decode(handle(event(answer=told), None)["body"])).to_json()
    assert "The model is not meant for this patient's age. Nothing is guaranteed" in said


def test_what_ends_it_says_neither_what_it_was_given_nor_what_a_library_said(capfd):
    with pytest.raises(RuntimeError) as raised:
        handle(event(answer={"SECRET": 1}), None)
    assert str(raised.value) == "no result: KeyError"
    assert raised.value.__suppress_context__
    (line,) = capfd.readouterr().out.splitlines()
    logged = json.loads(line)
    assert logged["exception_name"] == "KeyError"
    assert "SECRET" not in line


def test_fhir_is_text():
    answer = handle(event(form="application/fhir+json"), None)
    assert (answer["media_type"], answer["binary"]) == ("application/fhir+json", False)
    assert json.loads(answer["body"])["resourceType"] == "Bundle"


def test_a_map_that_is_no_picture_is_reported(capfd):
    answer = handle(event(form="multipart/related", radiograph="bm8=", overlay="bm8="), None)
    assert answer == {"no_result": "a picture of its saliency map cannot be made (UnidentifiedImageError)"}


def test_the_log_has_sizes_and_times(capfd):
    answer = handle(event(), None)
    logged = json.loads(capfd.readouterr().out)
    assert logged["bytes"] == {"report": len(base64.b64decode(answer["body"]))}
    assert {*logged} == {"level", "message", "bytes", "ms"}


def test_parts_are_apart_whatever_they_hold():
    media_type, body = multipart([b"--\r\n", b""])
    boundary = media_type.rpartition("=")[2].encode()
    head = b"--" + boundary + b"\r\nContent-Type: application/dicom\r\n\r\n"
    assert body == head + b"--\r\n\r\n" + head + b"\r\n--" + boundary + b"--\r\n"
    assert multipart([b""])[0] != media_type


def test_who_asks_for_no_result_loads_none_of_it():
    """highdicom takes a second to import: neither a prediction nor the conversion of a DICOM file may wait for it."""
    program = """
import sys
from lambdas.dicom.handler import handle
sent = {"dicom": sys.stdin.read()}
assert "png" in handle(sent, None)
before = sorted({"highdicom", "dicom_results"} & {name.partition(".")[0] for name in sys.modules})
assert "source" in handle({**sent, "source": True}, None)
print(before, "dicom_results.source" in sys.modules, "highdicom" in sys.modules)
"""
    sent = base64.b64encode(radiograph()).decode()
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, input=sent, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "[] True False"
