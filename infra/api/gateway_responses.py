"""API Gateway's own errors as problem details (RFC 9457), like those of the function behind it."""

import json
from collections.abc import Sequence

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

# Response type -> status, code, title, detail. Codes and titles the function has too are the same as the function's
# (lambdas/http/problems.py), so a client sees one vocabulary whoever answers.
PROBLEMS: dict[str, tuple[int, str, str, str]] = {
    "INVALID_API_KEY": (
        403,
        "api_key_required",
        "A valid API key is needed",
        "Send a key of this API's usage plan in the header x-api-key.",
    ),
    "UNAUTHORIZED": (
        401,
        "unauthorized",
        "A valid token is needed",
        "Send a token of this API's issuer that has not expired: Authorization: Bearer ...",
    ),
    "ACCESS_DENIED": (
        403,
        "forbidden",
        "This is not allowed to you",
        "The token's scopes, or the policies of the IAM principal, do not open this path.",
    ),
    "EXPIRED_TOKEN": (403, "unauthorized", "A valid token is needed", "The credentials of the signature expired."),
    "INVALID_SIGNATURE": (403, "unauthorized", "A valid token is needed", "The signature does not fit the request."),
    "WAF_FILTERED": (
        403,
        "refused_by_firewall",
        "The firewall refused the request",
        "Send fewer requests, and documents of at most 8 KB where no image is expected.",
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
        "Send the image as image/jpeg, image/png or application/dicom.",
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
# The gateway says so of a request without a signature, where paths are for IAM principals. Those that there are not end
# in a function (`lambdas/site`).
UNSIGNED = (403, "unauthorized", "A valid token is needed", "Sign the request with Signature Version 4.")


class ProblemResponses(Construct):
    """One gateway response for each error that API Gateway answers before or instead of the function.

    Args:
        origins: whose pages may read the errors.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        rest_api: apigateway.RestApi,
        authentication: str,
        origins: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        self._origins = origins
        problems = {**PROBLEMS, **({"MISSING_AUTHENTICATION_TOKEN": UNSIGNED} if authentication == "iam" else {})}
        for name, (status, code, title, detail) in problems.items():
            self._respond(rest_api, name, {"title": title, "status": status, "detail": detail, "code": code}, status)
        for name, (code, title) in FALLBACKS.items():
            self._respond(rest_api, name, {"title": title, "detail": "$context.error.message", "code": code}, None)

    def _respond(
        self, rest_api: apigateway.RestApi, name: str, problem: dict[str, str | int], status: int | None
    ) -> None:
        document = {"type": f"urn:problem-type:{problem['code']}", **problem, "request_id": "$context.requestId"}
        headers = {
            "Content-Type": "'application/problem+json'",
            "Cache-Control": "'no-store'",
            "X-Content-Type-Options": "'nosniff'",
            "Strict-Transport-Security": "'max-age=31536000'",
            "x-request-id": "context.requestId",
            **self._cors(),
        }
        if name == "UNAUTHORIZED":
            headers["WWW-Authenticate"] = "'Bearer'"
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

    def _cors(self) -> dict[str, str]:
        """A page may read why it was refused. A mapping cannot look an origin up in a list; errors tell no secret."""
        if not self._origins:
            return {}
        only = f"'{self._origins[0]}'" if len(self._origins) == 1 else "method.request.header.Origin"
        return {
            "Access-Control-Allow-Origin": only,
            "Access-Control-Expose-Headers": "'x-request-id, Retry-After'",
            "Vary": "'Origin'",
        }
