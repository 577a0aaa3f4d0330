"""The function as Lambda calls it, and what its cold start may load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lambdas.aws.reconnection import AT_ONCE_SECONDS
from lambdas.predict import dicom, dicom_result, results, uploads
from lambdas.predict.endpoint_invocation import (
    CONNECT_TIMEOUT_SECONDS,
    HURRIED_READ_TIMEOUT_SECONDS,
    PREPARATION_SECONDS,
    READ_TIMEOUT_SECONDS,
    RETRY_WITHIN_SECONDS,
)
from lambdas.predict.environment import Environment

HANDLER = "lambdas.predict.handler.handle"
ENVIRONMENT = {
    "ENDPOINT_NAME": "cxr-dev",
    "MAX_IMAGE_BYTES": "4000000",
    "MAX_UPLOAD_BYTES": "6000000",
    "DICOM_FUNCTION_NAME": "dicom",
    "DICOM_RESULT_FUNCTION_NAME": "dicom-result",
    "UPLOAD_BUCKET": "bucket",
    "PREDICTIONS_TABLE": "predictions",
    "REQUESTS_TABLE": "requests",
    "KEEP_DAYS": "30",
    "OUTSIDE_INTENDED_POPULATION": "flag",
}
GATEWAY_SECONDS = 29.0
REPOSITORY = Path(__file__).parents[3]


def test_answers_a_request(load_handler, context):
    _, handle = load_handler(HANDLER, **ENVIRONMENT)
    answer = handle({"httpMethod": "GET", "path": "/nowhere", "resource": "/nowhere"}, context)
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["code"] == "not_found"


def test_clients_give_up_before_the_gateway(load_handler):
    """Otherwise the caller gets the gateway's 504 without a code, and the model works for nobody."""
    module, _ = load_handler(HANDLER, **ENVIRONMENT)
    config = module.api.predictions.model.runtime.meta.config
    assert (config.connect_timeout, config.read_timeout) == (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
    assert config.retries["total_max_attempts"] == 1
    hurried = module.api.predictions.hurried_model().runtime.meta.config
    assert (hurried.connect_timeout, hurried.read_timeout) == (CONNECT_TIMEOUT_SECONDS, HURRIED_READ_TIMEOUT_SECONDS)
    # Measured cold start is below a second; two leave room for a slow one.
    table = results.CONNECT_TIMEOUT_SECONDS + results.READ_TIMEOUT_SECONDS
    upload = uploads.CONNECT_TIMEOUT_SECONDS + uploads.READ_TIMEOUT_SECONDS
    conversion = dicom.CONNECT_TIMEOUT_SECONDS + dicom.READ_TIMEOUT_SECONDS
    asking = RETRY_WITHIN_SECONDS + CONNECT_TIMEOUT_SECONDS
    # A prediction and the answer to a repetition are written afterwards. Each call may find its connection closed.
    closed = 5 * AT_ONCE_SECONDS
    assert 2 + PREPARATION_SECONDS + asking + READ_TIMEOUT_SECONDS + 2 * table + closed <= GATEWAY_SECONDS
    slowest = 2 + table + upload + conversion + asking + HURRIED_READ_TIMEOUT_SECONDS + 2 * table
    assert slowest + closed <= GATEWAY_SECONDS
    # A result in DICOM comes last, if there is time for it.
    result = dicom_result.CONNECT_TIMEOUT_SECONDS + dicom_result.READ_TIMEOUT_SECONDS
    assert 2 + dicom_result.LATEST_SECONDS + result <= GATEWAY_SECONDS
    for client, seconds in (
        (module.api.predictions.results.dynamodb, table),
        (module.api.predictions.uploads.client(), upload),
        (module.api.predictions.dicom.function.client(), conversion),
        (module.api.predictions.dicom_result.function.client(), result),
    ):
        config = client.meta.config
        assert config.connect_timeout + config.read_timeout == seconds
        assert config.retries["total_max_attempts"] == 1
    health = module.api.endpoint.client().meta.config
    assert (health.connect_timeout + health.read_timeout) * health.retries["total_max_attempts"] < GATEWAY_SECONDS


def test_cold_start_loads_no_framework():
    """Each of these costs 100 ms or more of a person's wait, and creeps in with one import line."""
    program = "import sys, lambdas.predict.handler; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["boto3", "s3transfer", "pydantic", "aws_lambda_powertools", "asyncio", "numpy", "pydicom", "highdicom"]
    ran = subprocess.run(
        [sys.executable, "-c", program, *heavy],
        cwd=REPOSITORY,
        env={
            **ENVIRONMENT,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "PATH": "",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "[]"


def test_a_deployment_without_results_in_dicom_names_no_function_for_them(load_handler):
    module, _ = load_handler(HANDLER, **{**ENVIRONMENT, "DICOM_RESULT_FUNCTION_NAME": ""})
    assert module.api.predictions.dicom_result is None


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"ENDPOINT_NAME": ""}, "ENDPOINT_NAME"),
        ({"DICOM_FUNCTION_NAME": ""}, "DICOM_FUNCTION_NAME"),
        ({"UPLOAD_BUCKET": ""}, "UPLOAD_BUCKET"),
        ({"PREDICTIONS_TABLE": ""}, "PREDICTIONS_TABLE"),
        ({"REQUESTS_TABLE": ""}, "REQUESTS_TABLE"),
        ({"OUTSIDE_INTENDED_POPULATION": "ignore"}, "OUTSIDE_INTENDED_POPULATION has to be refuse or flag"),
        ({"KEEP_DAYS": "x"}, "KEEP_DAYS"),
        ({"MAX_UPLOAD_BYTES": "-1"}, "MAX_UPLOAD_BYTES"),
        ({"MAX_IMAGE_BYTES": ""}, "MAX_IMAGE_BYTES"),
        ({"MAX_IMAGE_BYTES": "4 MB"}, "MAX_IMAGE_BYTES"),
        ({"MAX_IMAGE_BYTES": "0"}, "MAX_IMAGE_BYTES"),
    ],
)
def test_wrong_variable_is_named(changed, named):
    with pytest.raises(ValueError, match=named):
        Environment.load({**ENVIRONMENT, **changed})
