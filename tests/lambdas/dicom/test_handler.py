"""The function's answer, and that nothing about a patient leaves it: not in an answer, not in a log."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lambdas.dicom.handler import handle
from tests.model_code.support.dicom_files import (
    BASELINE,
    BIG,
    DEFLATED,
    DEFLATED_FRAME,
    EXPLICIT,
    J2K_LOSSLESS,
    JPEG_LS,
    LOSSLESS_SV1,
    RLE,
    SECRETS,
    dicom_file,
    full_range,
    phantom,
)

FORMS = (EXPLICIT, BIG, DEFLATED, RLE, BASELINE, LOSSLESS_SV1, JPEG_LS, J2K_LOSSLESS)


def ask(data: bytes) -> dict[str, Any]:
    return handle({"dicom": base64.b64encode(data).decode()}, None)


def test_a_radiograph_becomes_a_png(capfd: pytest.CaptureFixture[str]) -> None:
    values = phantom()
    answer = ask(dicom_file(values))

    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer.pop("png")))))
    assert (image == full_range(values)).all()
    assert answer == {
        "told": {
            "modality": "DX",
            "photometric_interpretation": "MONOCHROME2",
            "body_part": "chest",
            "rendering": "full_range",
        },
        "age": "unstated",
        "view": "unstated",
    }
    line = json.loads(capfd.readouterr().out)
    assert (line["message"], line["rows"], line["columns"], line["transfer_syntax"]) == ("converted", 80, 96, EXPLICIT)


def test_a_refusal_has_a_code_and_a_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    assert ask(dicom_file(phantom(), Modality="CT")) == {
        "code": "not_a_radiograph",
        "detail": "The DICOM file is of modality CT: the model knows radiographs (CR, DX, DR or RG).",
    }
    assert json.loads(capfd.readouterr().out)["code"] == "not_a_radiograph"


def test_a_failure_is_logged_by_its_place_and_kind_alone(capfd: pytest.CaptureFixture[str]) -> None:
    damaged = dicom_file(phantom(), transfer_syntax=DEFLATED_FRAME, frame=b"SECRET" * 20)
    assert ask(damaged)["code"] == "undecodable_image"
    line = json.loads(capfd.readouterr().out)
    assert line["exception_name"] == "error"  # zlib's
    assert any("pixels.py" in place for place in line["places"])


def secret_files() -> list[bytes]:
    """Files with a patient in every place: whole, wrong in ways that pydicom complains about, cut, and changed."""
    files = [dicom_file(phantom(bits=8), transfer_syntax=syntax, bits=8) for syntax in FORMS]
    files += [
        dicom_file(phantom(), **{name: value})
        for name, value in {
            "Modality": "SECRET",
            "PhotometricInterpretation": "SECRET",
            "PatientOrientation": ["SECRET", "SECRET"],
            "ViewPosition": "SECRET",
            "PresentationIntentType": "SECRET",
        }.items()
    ]
    explicit = files[0]
    # Numbers and a character set that are none, which pydicom's messages repeat.
    replaced = dicom_file(phantom(), WindowCenter=123456, WindowWidth=123456, RescaleSlope=123456, RescaleIntercept=0)
    files.append(replaced.replace(b"123456", b"SECRET"))
    files.append(dicom_file(phantom(), SpecificCharacterSet="ISO_IR 100").replace(b"ISO_IR 100", b"SECRET_SET"))
    files.append(dicom_file(phantom(), NumberOfFrames=123456).replace(b"123456", b"SECRET"))
    files += [explicit[: int(len(explicit) * kept)] for kept in (0.05, 0.1, 0.5, 0.9)]
    rng = np.random.default_rng(11)
    for form in files[: len(FORMS)]:
        for _ in range(60):
            changed = np.frombuffer(form, np.uint8).copy()
            places = rng.integers(128, len(changed), rng.integers(1, 12))
            changed[places] = rng.integers(0, 256, len(places))
            files.append(changed.tobytes())
    return files


@pytest.mark.filterwarnings("always")  # so that a warning would be printed, as in AWS
def test_nothing_about_the_patient_leaves_the_function(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    files = secret_files()
    assert all(part.encode() in files[0] for part in SECRETS.values())
    capfd.readouterr()
    caplog.clear()
    answers = [ask(data) for data in files]

    out, err = capfd.readouterr()
    told = out + err + caplog.text + "".join(record.getMessage() for record in caplog.records)
    told += json.dumps([{name: value for name, value in answer.items() if name != "png"} for answer in answers])
    images = b"".join(base64.b64decode(answer.get("png", "")) for answer in answers)
    for secret in {part for value in SECRETS.values() for part in re.split(r"[\^ ]", value)} - {"CHEST"}:
        assert secret not in told
        assert secret.encode() not in images
    assert sum("png" in answer for answer in answers) > len(FORMS)
    assert {answer["code"] for answer in answers if "png" not in answer} >= {"undecodable_image", "not_a_radiograph"}
    # One line each, and nothing from libraries beside them.
    assert len(out.splitlines()) == len(files)
    assert not err
    assert not caplog.records
