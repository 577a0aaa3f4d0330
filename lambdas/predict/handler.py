"""Predict: the function behind the REST API.

Clients are made while the module loads, when Lambda gives the whole processor, and through botocore, because boto3's
own layer adds 60 ms to a cold start and nothing to two calls. Importing this module, clients included, takes 175 ms of
processor time on two x86-64 cores with Python 3.11, best of seven:
`python -c "import time; import lambdas.predict.handler; print(time.process_time())"`, less what Python alone takes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config

from lambdas.predict.api import Api
from lambdas.predict.endpoint import Endpoint
from lambdas.predict.environment import Environment
from lambdas.predict.model import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, Model


def build(environment: Environment) -> Api:
    """The service with clients whose answers come before API Gateway's 29 s are over."""
    session = botocore.session.get_session()

    @cache
    def sagemaker() -> Any:
        config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
        return session.create_client("sagemaker", config=config)

    runtime: Any = session.create_client(
        "sagemaker-runtime",
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            # One attempt: a repeated read timeout would outlast the gateway. Model repeats what can be repeated.
            retries={"total_max_attempts": 1},
            tcp_keepalive=True,
        ),
    )
    endpoint = Endpoint(client=sagemaker, name=environment.endpoint_name)
    return Api(model=Model(runtime, endpoint), endpoint=endpoint, max_image_bytes=environment.max_image_bytes)


api = build(Environment.load())


def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle one API Gateway REST proxy event."""
    return api.answer(event)
