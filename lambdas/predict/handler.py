"""Predict: the function behind the REST API.

Clients are made while the module loads, when Lambda gives the whole processor, and through botocore, because boto3's
own layer adds 60 ms to a cold start and nothing to a few calls. Importing this module, clients included, takes 150 ms
on two x86-64 cores with Python 3.11, the median of 15 (`python -m benchmarks.serving.predict_overhead`).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config

from lambdas.aws.reconnection import Reconnection
from lambdas.http import presigning
from lambdas.http.answers import Answers, origins
from lambdas.http.idempotency import DAY_SECONDS, Requests
from lambdas.predict import dicom, dicom_result, results, uploads
from lambdas.predict.api import Api
from lambdas.predict.endpoint_invocation import (
    CONNECT_TIMEOUT_SECONDS,
    HURRIED_READ_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    Model,
)
from lambdas.predict.endpoint_status import Endpoint
from lambdas.predict.environment import Environment
from lambdas.predict.lambda_invocation import Function
from lambdas.predict.prediction import Predictions


def build(environment: Environment) -> Api:
    """The service with clients whose answers come before API Gateway's 29 s are over."""
    session = botocore.session.get_session()

    @cache
    def sagemaker() -> Any:
        config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
        return session.create_client("sagemaker", config=config)

    def client(service: str, connect_timeout: float, read_timeout: float, **options: Any) -> Any:
        config = Config(
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            # One attempt: a repeated read timeout would outlast the gateway. Model repeats what can be repeated, and
            # the others what a closed connection ended, which botocore's older way of retries would not let them.
            retries={"mode": "standard", "total_max_attempts": 1},
            tcp_keepalive=True,
            **options,
        )
        return session.create_client(service, config=config)

    def reconnecting(service: str, connect_timeout: float, read_timeout: float, **options: Any) -> Any:
        """A client whose connection may have been closed while the function was frozen."""
        return Reconnection().watch(client(service, connect_timeout, read_timeout, **options))

    # Made when they are first needed: most requests bring a JPEG or a PNG along.
    @cache
    def lambda_for_dicom() -> Any:
        return reconnecting("lambda", dicom.CONNECT_TIMEOUT_SECONDS, dicom.READ_TIMEOUT_SECONDS)

    @cache
    def lambda_for_results() -> Any:
        return reconnecting("lambda", dicom_result.CONNECT_TIMEOUT_SECONDS, dicom_result.READ_TIMEOUT_SECONDS)

    @cache
    def s3() -> Any:
        return reconnecting("s3", uploads.CONNECT_TIMEOUT_SECONDS, uploads.READ_TIMEOUT_SECONDS, **presigning.OPTIONS)

    @cache
    def hurried_model() -> Model:
        return model(HURRIED_READ_TIMEOUT_SECONDS)

    def model(seconds: float) -> Model:
        return Model(client("sagemaker-runtime", CONNECT_TIMEOUT_SECONDS, seconds), endpoint, seconds)

    result_name = environment.dicom_result_function_name
    endpoint = Endpoint(client=sagemaker, name=environment.endpoint_name)
    dynamodb = reconnecting("dynamodb", results.CONNECT_TIMEOUT_SECONDS, results.READ_TIMEOUT_SECONDS)
    predictions = Predictions(
        model=model(READ_TIMEOUT_SECONDS),
        hurried_model=hurried_model,
        max_image_bytes=environment.max_image_bytes,
        dicom=dicom.Dicom(Function(lambda_for_dicom, environment.dicom_function_name)),
        uploads=uploads.Uploads(s3, environment.upload_bucket, environment.max_upload_bytes),
        results=results.Results(dynamodb, environment.predictions_table, environment.keep_days * DAY_SECONDS),
        requests=Requests(dynamodb, environment.requests_table, operation="predictions"),
        refuse_outside_population=environment.outside_intended_population == "refuse",
        dicom_result=dicom_result.DicomResult(Function(lambda_for_results, result_name)) if result_name else None,
    )
    return Api(predictions, endpoint, Answers(origins(environment.allowed_origins)))


api = build(Environment.load())


def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Handle one API Gateway REST proxy event."""
    return api.answer(event)
