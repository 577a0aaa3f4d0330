"""Predictions answered as coded results in DICOM: what is in them, and that nothing of a patient stays behind."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from fhir.resources.bundle import Bundle
from PIL import Image

from lambdas.predict import accept
from tests.dicom_results.radiographs import STUDY, TYPE_2, opened, radiograph
from tests.dicom_results.tid1500 import faults
from tests.dicom_results.validators import dciodvfy, dsrdump
from tests.lambdas.predict.dicom_answers import DICOM, ID, MULTIPART, Service, files, png
from tests.lambdas.predict.dicom_services import UPLOAD, Bucket

LAMBDA_BYTES = 6_291_556
"""What a synchronous invocation may hold, and its answer (Lambda's quotas, read 2026-11)."""


def valid(tmp_path: Path, *contents: bytes):
    """The instances, which a validator accepts."""
    for number, content in enumerate(contents):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert dciodvfy(path) == []
        if opened(content).Modality == "SR":
            assert dsrdump(path)[1] == []
            assert faults(opened(content)) == []
    return [opened(content) for content in contents]


@pytest.mark.parametrize(
    ("accepted", "form"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("application/dicom", DICOM),
        ("Application/DICOM; transfer-syntax=*", DICOM),
        ("application/dicom, application/json;q=0.5", DICOM),
        # The gateway looks at the first only: a report by the second would arrive as text.
        ("application/json, application/dicom", "application/json"),
        (MULTIPART, "multipart/related"),
        ("multipart/related;type=application/dicom", "multipart/related"),
        ("multipart/related", "multipart/related"),
        ('multipart/related; type="image/jpeg"', "application/json"),
        ("application/dicom+json", "application/json"),
        ("application/fhir+json; fhirVersion=5.0", "application/fhir+json"),
        (";;,", "application/json"),
    ],
)
def test_the_first_media_type_of_accept_says_what_the_answer_is(accepted, form):
    assert accept.read({"headers": {"accept": accepted}}) == form


class TestAnswer:
    def test_a_report_of_the_prediction_in_the_study_of_the_radiograph(self, service, tmp_path):
        answer = service.ask()
        assert answer["headers"]["x-request-id"] == ID
        assert answer["headers"]["Cache-Control"] == "no-store"
        (made,) = valid(tmp_path, *files(answer))
        assert (made.StudyInstanceUID, made.PatientName) == (STUDY, "Zeichnung^Gemälde")
        said = made.to_json()
        for expected in (f"prediction {ID}", "0.93", "threshold=0.42", "model-package/cxr-dev/12", "research use only"):
            assert expected in said

    def test_with_an_overlay_a_picture_of_it_comes_along(self, service, tmp_path):
        made = valid(tmp_path, *files(service.ask(accepted=MULTIPART, explain=True)))
        assert [one.Modality for one in made] == ["SR", "OT"]
        assert {one.StudyInstanceUID for one in made} == {STUDY}
        shown = made[1].pixel_array[:48]
        red, green, _ = shown[24, made[1].Columns // 2].tolist()
        assert red > green + 50, "the map lies over the radiograph"

    @pytest.mark.parametrize("accepted", [DICOM, MULTIPART])
    def test_without_one_there_is_the_report_alone(self, service, accepted):
        assert [opened(one).Modality for one in files(service.ask(accepted=accepted))] == ["SR"]

    @pytest.mark.parametrize("modality", ["CR", "DX"])
    @pytest.mark.parametrize(
        "stated",
        [
            {"without": TYPE_2},
            {"PixelRepresentation": 1, "RescaleIntercept": 2048, "RescaleSlope": 1},
            {"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"},
            {"without": ("BodyPartExamined", "PatientOrientation")},
        ],
    )
    def test_of_what_senders_send_every_result_is_one_that_an_archive_takes(self, service, tmp_path, modality, stated):
        made = files(service.ask(radiograph(modality=modality, **stated), accepted=MULTIPART, explain=True))
        assert len(valid(tmp_path, *made)) == 2

    def test_as_fhir_it_is_text_that_a_validator_accepts(self, service):
        answer = service.ask(accepted="application/fhir+json")
        assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
        assert answer["headers"]["Content-Type"] == "application/fhir+json"
        bundle = Bundle.model_validate_json(answer["body"])
        diagnostic_report = bundle.entry[0].resource
        assert diagnostic_report.identifier[0].value == ID
        assert diagnostic_report.study[0].identifier.value == f"urn:oid:{STUDY}"

    def test_an_upload_is_answered_alike(self, dynamodb, monkeypatch, tmp_path):
        monkeypatch.setattr("lambdas.dicom.uploads.fetch", {"https://bucket/signed": radiograph()}.__getitem__)
        s3 = Bucket(radiograph())
        sent = json.dumps({"upload": UPLOAD}).encode()
        answer = Service(dynamodb, s3=s3).ask(sent, content_type="application/json")
        assert valid(tmp_path, *files(answer))[0].StudyInstanceUID == STUDY

    def test_it_is_the_file_that_cxr_predict_writes_of_the_same_answer(self, service, tmp_path):
        """Both may end in one archive, which keeps the first of two contents under one UID."""
        from datetime import datetime

        from ops.api.predictions import Prediction
        from ops.pacs import results

        in_dicom = files(service.ask(accepted=MULTIPART, explain=True))
        told = service.functions.events[-1]
        answer = told["answer"]
        (tmp_path / "image.dcm").write_bytes(radiograph())
        prediction = Prediction(
            path=str(tmp_path / "image.dcm"),
            id=answer["id"],
            time=datetime.fromisoformat(told["answered_at"]),
            probability=answer["probability"],
            label=answer["label"],
            indeterminate=answer["indeterminate"],
            indeterminate_band=(0.3, 0.6),
            threshold=answer["threshold"],
            model_version=answer["model"]["version"],
            model_package_arn=answer["model"]["package_arn"],
            dataset_sha256=answer["model"]["dataset_sha256"],
            notice=answer["notice"],
            overlay=base64.b64decode(told["overlay"]),
            radiograph=base64.b64decode(told["radiograph"]),
        )
        (tmp_path / "results").mkdir()
        assert [path.read_bytes() for path in results.write(prediction, tmp_path / "results")] == in_dicom

    def test_the_largest_fits_into_what_lambda_passes_on(self, dynamodb):
        """A radiograph of noise, which nothing compresses, as large as the model is shown one."""
        noise = np.random.default_rng(1).integers(0, 4096, (1024, 1024))
        overlay = png(Image.fromarray(np.random.default_rng(2).integers(0, 256, (224, 224, 4), dtype=np.uint8)))
        service = Service(dynamodb, overlay=overlay)
        answer = service.ask(radiograph(noise), accepted=MULTIPART, explain=True)
        assert len(files(answer)) == 2
        for event in (*service.functions.events, answer):
            assert len(json.dumps(event)) < LAMBDA_BYTES
        assert len(answer["body"]) > 4_000_000, "or this says nothing about the largest"
