"""A client that a generator makes of the OpenAPI document works, without a line of it written by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.laptop import REPOSITORY
from tests.system.clients.clients_page import fenced
from tests.system.deployed import Stack

pytestmark = [pytest.mark.system, pytest.mark.slow]

# Installed by the Makefile: the generator, and what the code that it generates imports.
GENERATOR = REPOSITORY / ".venv" / "client-generator"
DOCUMENT = REPOSITORY / "lambdas" / "site" / "openapi.json"
_SEEN = """
import json, sys
from xray_client import AuthenticatedClient
from xray_client.api.model import read_health, read_model
from xray_client.api.predictions import create_prediction, label_prediction, read_prediction
from xray_client.models import ImageInDocument, Prediction, ProblemDocument, ReadersLabel, ReadersLabelLabel
from xray_client.types import File

url, key, path = sys.argv[1:]
client = AuthenticatedClient(base_url=url.rstrip("/"), token=key, prefix="", auth_header_name="x-api-key", timeout=60)
with open(path, "rb") as file, client:
    predicted = create_prediction.sync(client=client, body=File(payload=file))
    assert isinstance(predicted, Prediction), predicted
    labelled = label_prediction.sync(
        client=client, prediction_id=predicted.id, body=ReadersLabel(label=ReadersLabelLabel.PNEUMONIA)
    )
    kept = read_prediction.sync(client=client, prediction_id=predicted.id)
    refused = create_prediction.sync_detailed(client=client, body=ImageInDocument(image="bm9uZQ=="))
    unknown = read_prediction.sync(client=client, prediction_id="unknown")
    health = read_health.sync(client=client)
    serving = read_model.sync(client=client)
assert isinstance(refused.parsed, ProblemDocument) and isinstance(unknown, ProblemDocument)
print(json.dumps({
    "probability": predicted.probability,
    "label": predicted.label.value,
    "version": predicted.model.version,
    "kept": kept.prediction.probability,
    "feedback": kept.feedback.label.value,
    "received_at": labelled.received_at.isoformat(),
    "refused": [refused.status_code, refused.parsed.code, refused.parsed.detail],
    "unknown": unknown.code,
    "health": health.status.value,
    "serving": [serving.version, serving.metrics.auroc.value],
    "sites": [one.verdict.value for one in serving.site_evaluations],
}))
"""


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(GENERATOR)}
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def test_a_generated_client_predicts_labels_and_reads_errors(
    stack: Stack, released: str, examples: dict[str, Path], tmp_path: Path
) -> None:
    assert GENERATOR.is_dir(), f"{GENERATOR} is missing: `make .venv/client-generator/.installed`"
    (settings,) = (block for block in fenced() if block.language == "yaml")
    (tmp_path / "client.yaml").write_text(settings.text, encoding="utf-8")
    options = ["--path", str(DOCUMENT), "--config", "client.yaml", "--meta", "none", "--output-path", "xray_client"]
    run("-m", "openapi_python_client", "generate", *options, cwd=tmp_path)
    expected = stack.predict(examples["PNEUMONIA"]).document
    serving = stack.request("v1/model").document

    seen = json.loads(run("-c", _SEEN, stack.url, stack.key, str(examples["PNEUMONIA"]), cwd=tmp_path).stdout)

    assert seen["probability"] == seen["kept"] == pytest.approx(expected["probability"], abs=1e-6)
    assert (seen["label"], seen["version"]) == (expected["label"], expected["model"]["version"])
    assert seen["feedback"] == "PNEUMONIA"
    assert seen["received_at"].endswith("+00:00")
    assert seen["refused"][:2] == [400, "undecodable_image"]
    assert seen["refused"][2].endswith("."), "a sentence for a person"
    assert (seen["unknown"], seen["health"]) == ("prediction_not_found", "ok")
    assert seen["serving"] == [serving["version"], serving["metrics"]["auroc"]["value"]]
    assert seen["sites"] == [one["verdict"] for one in serving["site_evaluations"]]
