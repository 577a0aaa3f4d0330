"""Settings of the HTTPS API: who may ask, how much, and what is kept."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from infra.settings.section import MAX_ENDPOINT_BYTES, MAX_IMAGE_BYTES, PageOrigin, Positive, Section, with_kind
from lambdas.api.environment import FeedbackSettings

# A function's environment variables have 4 KB together (https://docs.aws.amazon.com/lambda/latest/dg/
# gettingstarted-limits.html, read 2026-11): what may be long has its share of them, besides names of resources.
_ALL_ORIGINS = 1500
# An endpoint of the issuer, as its discovery document names it; its origin goes into the page's policy.
_ENDPOINT = r"^https://[a-z0-9.-]+(:\d{1,5})?/[^\s?#\"<>]*$"


class ApiKeyAuthentication(Section):
    """Clients hold a key of the API's usage plan."""

    kind: Literal["api_key"]


class IamAuthentication(Section):
    """Clients sign requests as IAM principals (Signature Version 4), whose policies say what they may ask for."""

    kind: Literal["iam"]


class SignIn(Section):
    """Sign-in at the page, which gets a token by it: authorization code with PKCE (RFC 7636), as a public client."""

    client_id: Annotated[str, Field(min_length=1, max_length=256)]
    """With `jwt`, optional: the issuer's public client by which people sign in at the page; without it they paste a
    token."""
    authorization_endpoint: Annotated[str, Field(pattern=_ENDPOINT, max_length=512)]
    """Where it sends them; of a Cognito user pool `https://<domain>/oauth2/authorize`."""
    token_endpoint: Annotated[str, Field(pattern=_ENDPOINT, max_length=512)]
    """Where the page gets the token; of a Cognito user pool `https://<domain>/oauth2/token`."""


class JwtAuthentication(Section):
    """Clients hold tokens of an OpenID Connect issuer, such as an Amazon Cognito user pool, with scopes."""

    kind: Literal["jwt"]
    issuer: Annotated[str, Field(pattern=r"^https://[^\s?#]+$", max_length=512)]
    """With `jwt`: the OpenID Connect issuer, as tokens name it in `iss`; of a Cognito user pool
    `https://cognito-idp.<region>.amazonaws.com/<pool>`."""
    audience: Annotated[str, Field(min_length=1, max_length=256)]
    """With `jwt`: what tokens hold in `aud`, or in `client_id` where there is no `aud` (access tokens of Cognito)."""
    # Cognito's scopes begin with the resource server's identifier and a slash.
    scope_prefix: Annotated[str, Field(pattern=r"^[!#-\[\]-~]*$", max_length=64)] = ""
    """With `jwt`, optional: what stands before `predict`, `upload` and `feedback` in scopes, such as `cxr/`."""
    # Without it a person at the page pastes a token.
    sign_in: SignIn | None = None


Authentication = Annotated[ApiKeyAuthentication | IamAuthentication | JwtAuthentication, Field(discriminator="kind")]


class Firewall(Section):
    """AWS WAF before the API."""

    enabled: bool
    """Whether AWS WAF stands before the API; costs by the month and by the request."""
    # Of one address: ten is the least that WAF counts to.
    requests_per_five_minutes: Annotated[int, Field(ge=10, le=2_000_000_000)]
    """With it: requests of one address, at least 10, before it is refused."""


class Api(FeedbackSettings, Section):
    """Settings of the API: authentication, limits, retention.

    Those that one function alone reads are declared with its environment variables. Predict's are here: it reads them
    without pydantic.
    """

    requests_per_second: Positive
    """Steady rate of one API key: API Gateway counts a usage plan's limits for each key of it. A client with needs of
    its own gets a plan of its own, whose limits stay below the stage's too."""
    burst: Positive
    """Requests at once of one API key."""
    stage_requests_per_second: Positive
    """Steady rate of all clients together; more than one key's, so that one busy client does not keep out the others.
    Without keys (`iam`, `jwt`) only this and the firewall hold."""
    stage_burst: Positive
    """Requests at once of all clients together."""
    requests_per_day: Positive
    """Quota of the usage plan."""
    max_image_bytes: Annotated[int, Field(ge=1, le=MAX_IMAGE_BYTES)]
    """Largest image in a request; 4.5 MB is what Lambda can take, 4 MiB with a serverless endpoint."""
    max_upload_bytes: Annotated[int, Field(ge=1, le=MAX_ENDPOINT_BYTES)]
    """Largest JPEG or PNG by way of `POST /v1/uploads`: 6 MiB is what an endpoint takes, 4 MiB a serverless one. DICOM
    files may have 96 MiB there."""
    keep_days: Annotated[int, Field(ge=1, le=3650)]
    """How long a prediction can be read again; without image and overlay."""
    outside_intended_population: Literal["refuse", "flag"]
    """What becomes of a radiograph whose DICOM file, or client, states an age or a view that the model is not meant
    for: `refuse` (422) or `flag` (answered, and the answer names what lies outside)."""
    dicom_results: bool
    """Whether DICOM files may be answered with [results in DICOM](pacs.md#from-the-api-without-cxr) or FHIR, which
    repeat whose they are: name, number, date of birth, study. These are read from the request and answered, and neither
    kept nor logged. Off by default: then no function reads them. On the laptop it is on."""
    dicom_snap_start: bool
    """Whether the Dicom function begins from a snapshot of a published version (Lambda SnapStart) instead of importing
    its libraries; a snapshot costs while it is kept, and by each start from it. Not tried in AWS
    ([ADR 54](adr/0054-what-sagemaker-and-lambda-offer-is-a-setting.md))."""
    # Not "*": a key in a page of anybody's would be everybody's.
    allowed_origins: tuple[Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:\d{1,5})?$")], ...]
    """Origins such as `https://reader.example` whose pages may call the API, and post uploads, from a browser; none by
    default, and no `*`. 1,500 characters together at most."""
    # Functions' variables hold 4 KB (`tests/infra/test_limits.py`).
    page_origins: Annotated[tuple[PageOrigin, ...], Field(max_length=20)]
    """Where browsers find the API's own page if not at API Gateway's address (`https://….execute-api.<region>…`, which
    is always allowed): the origin of a custom domain, such as `https://cxr.hospital.example`. The page's uploads go to
    S3, which answers a browser only for origins that the bucket's CORS rule names; one `*` may stand for a part. 20 at
    most."""
    authentication: Authentication
    """`api_key`, `iam` (Signature Version 4) or `jwt`; see below."""
    firewall: Firewall
    owns_account_log_role: bool
    """Whether the stacks set the role that API Gateway writes access logs with, one per account and region; with two
    environments in one account, only one may own it."""

    @field_validator("authentication", mode="before")
    @classmethod
    def _kind_is_named(cls, value: Any) -> Any:
        return with_kind(value, '"api_key", "iam" or "jwt"')

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.requests_per_second >= self.stage_requests_per_second or self.burst >= self.stage_burst:
            raise ValueError(
                "requests_per_second and burst, of one key, must be below stage_requests_per_second and stage_burst: "
                "one busy client would keep out all others"
            )
        if len(" ".join(self.allowed_origins)) > _ALL_ORIGINS:
            raise ValueError(
                f"allowed_origins have more than {_ALL_ORIGINS} characters, more than functions have room for"
            )
        if self.max_upload_bytes < self.max_image_bytes:
            raise ValueError("max_upload_bytes must not be below max_image_bytes: uploads are for what is larger")
        if self.keep_labelled_days < self.keep_days:
            raise ValueError(
                "keep_labelled_days must not be below keep_days: a label would shorten a prediction's time"
            )
        return self
