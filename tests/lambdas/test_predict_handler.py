"""The function as Lambda calls it, and what its cold start may load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lambdas.predict.environment import Environment
from lambdas.predict.model import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, RETRY_WITHIN_SECONDS

HANDLER = "lambdas.predict.handler.handle"
ENVIRONMENT = {"ENDPOINT_NAME": "cxr-dev", "MAX_IMAGE_BYTES": "4000000"}
GATEWAY_SECONDS = 29.0
REPOSITORY = Path(__file__).parents[2]


def test_answers_a_request(load_handler, context):
    _, handle = load_handler(HANDLER, **ENVIRONMENT)
    answer = handle({"httpMethod": "GET", "path": "/nowhere", "resource": "/nowhere"}, context)
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["code"] == "not_found"


def test_clients_give_up_before_the_gateway(load_handler):
    """Otherwise the caller gets the gateway's 504 without a code, and the model works for nobody."""
    module, _ = load_handler(HANDLER, **ENVIRONMENT)
    config = module.api.model.runtime.meta.config
    assert (config.connect_timeout, config.read_timeout) == (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
    assert config.retries["total_max_attempts"] == 1
    # Measured cold start is below a second; two leave room for a slow one.
    assert RETRY_WITHIN_SECONDS + CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS + 2 <= GATEWAY_SECONDS
    health = module.api.endpoint.client().meta.config
    assert (health.connect_timeout + health.read_timeout) * health.retries["total_max_attempts"] < GATEWAY_SECONDS


def test_cold_start_loads_no_framework():
    """Each of these costs 100 ms or more of a person's wait, and creeps in with one import line."""
    program = "import sys, lambdas.predict.handler; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["boto3", "s3transfer", "pydantic", "aws_lambda_powertools", "asyncio"]
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


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"ENDPOINT_NAME": ""}, "ENDPOINT_NAME"),
        ({"MAX_IMAGE_BYTES": ""}, "MAX_IMAGE_BYTES"),
        ({"MAX_IMAGE_BYTES": "4 MB"}, "MAX_IMAGE_BYTES"),
        ({"MAX_IMAGE_BYTES": "0"}, "MAX_IMAGE_BYTES"),
    ],
)
def test_wrong_variable_is_named(changed, named):
    with pytest.raises(ValueError, match=named):
        Environment.load({**ENVIRONMENT, **changed})
