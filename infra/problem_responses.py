"""API Gateway's own errors as problem details (RFC 9457), like those of the function behind it."""

import json

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

# Response type -> status, code, title, detail. Codes and titles the function has too are the same as the function's
# (lambdas/predict/problems.py), so a client sees one vocabulary whoever answers.
PROBLEMS: dict[str, tuple[int, str, str, str]] = {
    "INVALID_API_KEY": (
        403,
        "api_key_required",
        "A valid API key is needed",
        "Send a key of this API's usage plan in the header x-api-key.",
    ),
    "MISSING_AUTHENTICATION_TOKEN": (
        404,
        "not_found",
        "There is nothing at this path",
        "POST an image to v1/predictions or GET v1/health.",
    ),
    "REQUEST_TOO_LARGE": (
        413,
        "image_too_large",
        "The image is too large",
        "The request has more than 10 MB, or more than the function behind the API takes.",
    ),
    "UNSUPPORTED_MEDIA_TYPE": (
        415,
        "unsupported_media_type",
        "The media type is not supported",
        "Send the image as image/jpeg or image/png.",
    ),
    "THROTTLED": (429, "throttled", "Too many requests", "Send requests more slowly and try again."),
    "QUOTA_EXCEEDED": (
        429,
        "quota_exceeded",
        "The day's quota is used up",
        "Try again tomorrow, or ask the operator for a larger quota.",
    ),
    "INTEGRATION_TIMEOUT": (504, "model_timeout", "The model took too long", "Try again in a few seconds."),
    "INTEGRATION_FAILURE": (502, "internal_error", "The service failed", "Quote the request id when you report this."),
}
# What has no status of its own in the template: the gateway sends the one that fits.
FALLBACKS: dict[str, tuple[str, str]] = {
    "DEFAULT_4XX": ("bad_request", "The request was refused"),
    "DEFAULT_5XX": ("internal_error", "The service failed"),
}
RETRY_AFTER_SECONDS = {"THROTTLED": 1, "INTEGRATION_TIMEOUT": 5}


class ProblemResponses(Construct):
    """One gateway response for each error that API Gateway answers before or instead of the function.

    Args:
        rest_api: whose errors.
    """

    def __init__(self, scope: Construct, construct_id: str, *, rest_api: apigateway.RestApi) -> None:
        super().__init__(scope, construct_id)
        for name, (status, code, title, detail) in PROBLEMS.items():
            self._respond(rest_api, name, {"title": title, "status": status, "detail": detail, "code": code}, status)
        for name, (code, title) in FALLBACKS.items():
            self._respond(rest_api, name, {"title": title, "detail": "$context.error.message", "code": code}, None)

    def _respond(
        self, rest_api: apigateway.RestApi, name: str, problem: dict[str, str | int], status: int | None
    ) -> None:
        document = {"type": f"urn:problem-type:{problem['code']}", **problem, "request_id": "$context.requestId"}
        headers = {"Content-Type": "'application/problem+json'", "Cache-Control": "'no-store'"}
        if name in RETRY_AFTER_SECONDS:
            headers["Retry-After"] = f"'{RETRY_AFTER_SECONDS[name]}'"
        apigateway.GatewayResponse(
            self,
            name,
            rest_api=rest_api,
            type=apigateway.ResponseType.of(name),
            status_code=None if status is None else str(status),
            response_headers=headers,
            templates={"application/json": json.dumps(document)},
        )
