"""The OpenAPI document held against the API by Schemathesis: whatever it says, the deployed stack does."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from local.laptop import REPOSITORY
from local.samples.phantom import Anatomy, Finding, draw
from tests.model_code.support.dicom_files import dicom_file, phantom
from tests.system.deployed import Stack

pytestmark = [pytest.mark.system, pytest.mark.slow]

_CONFIG = REPOSITORY / "tests" / "system" / "clients" / "schemathesis.toml"
_SUMMARY_CHARACTERS = 6000


@pytest.fixture
def hurried_key(stack: Stack) -> str:
    """The key of a client that may ask more often than the stack's first one, which is throttled to 10 a second."""
    gateway = stack.laptop.client("apigateway")
    stage = {"apiId": stack.url.rstrip("/").split("/")[-2], "stage": stack.url.rstrip("/").split("/")[-1]}
    limits = {"rateLimit": 1000.0, "burstLimit": 1000}
    plan = gateway.create_usage_plan(name="schemathesis", throttle=limits, apiStages=[stage])
    key = gateway.create_api_key(name="schemathesis", enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    return str(key["value"])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Whole radiographs of each media type, as `schemathesis_hooks.py` wants them."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number, finding in enumerate((Finding.NORMAL, Finding.BACTERIA)):
        rng = np.random.default_rng(number)
        image = Image.fromarray(draw(Anatomy.sample(rng), finding, rng, width=320, height=256))
        for kind in ("jpeg", "png"):
            buffer = io.BytesIO()
            image.save(buffer, kind)
            (folder / f"{kind}-{number}").write_bytes(buffer.getvalue())
    (folder / "dicom-0").write_bytes(dicom_file(phantom(320, 256)))
    return folder


def test_whatever_is_sent_is_answered_as_the_document_says(
    stack: Stack, released: str, hurried_key: str, files: Path, examples: dict[str, Path]
) -> None:
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(_CONFIG), "run"]
    kept = stack.predict(examples["PNEUMONIA"]).document["id"]
    variables = [f"CXR_API_KEY={hurried_key}", f"CXR_EXAMPLE_FILES={files}", f"CXR_PREDICTION_ID={kept}"]
    done = stack.laptop.run(
        ["env", *variables, *command, f"{stack.url}openapi.json", "--url", stack.url.rstrip("/")], timeout=300
    )

    assert done.returncode == 0, f"{done.stdout[-_SUMMARY_CHARACTERS:]}\n{done.stderr}\n{stack.laptop.log_tail()}"
    # Without a key it would hold too, in 403s; with every file refused, in 400s.
    assert "No issues found" in done.stdout
    assert "API Links:    2 covered" in done.stdout, "a prediction was read again and labelled"
