"""Settings of the HTTPS API: who may ask, how much, and what is kept."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from infra.settings.section import MAX_ENDPOINT_BYTES, MAX_IMAGE_BYTES, PageOrigin, Positive, Section, with_kind


class ApiKeyAuthentication(Section):
    """Clients hold a key of the API's usage plan."""

    kind: Literal["api_key"]


class IamAuthentication(Section):
    """Clients sign requests as IAM principals (Signature Version 4), whose policies say what they may ask for."""

    kind: Literal["iam"]


class JwtAuthentication(Section):
    """Clients hold tokens of an OpenID Connect issuer, such as an Amazon Cognito user pool, with scopes."""

    kind: Literal["jwt"]
    issuer: Annotated[str, Field(pattern=r"^https://[^\s?#]+$")]
    audience: Annotated[str, Field(min_length=1)]
    # Cognito's scopes begin with the resource server's identifier and a slash.
    scope_prefix: Annotated[str, Field(pattern=r"^[!#-\[\]-~]*$")] = ""


class Firewall(Section):
    """AWS WAF before the API."""

    enabled: bool
    # Of one address: ten is the least that WAF counts to.
    requests_per_five_minutes: Annotated[int, Field(ge=10, le=2_000_000_000)]


class Api(Section):
    """Settings of the API: authentication, limits, retention."""

    # Of one key; the stage takes more, so that one busy client leaves the others something.
    requests_per_second: Positive
    burst: Positive
    stage_requests_per_second: Positive
    stage_burst: Positive
    requests_per_day: Positive
    max_image_bytes: Annotated[int, Field(ge=1, le=MAX_IMAGE_BYTES)]
    # By way of S3, which the gateway's limit does not hold for.
    max_upload_bytes: Annotated[int, Field(ge=1, le=MAX_ENDPOINT_BYTES)]
    keep_days: Annotated[int, Field(ge=1, le=3650)]
    keep_labelled_days: Annotated[int, Field(ge=1, le=3650)]
    # Of patients and views that a model says it is not meant for.
    outside_intended_population: Literal["refuse", "flag"]
    # Whether answers may be results in DICOM or FHIR, which repeat from the request whose they are.
    dicom_results: bool
    # Whether the Dicom function begins from a snapshot, which costs while it is kept.
    dicom_snap_start: bool
    # Whose pages may call the API from a browser. Not "*": a key in a page of anybody's would be everybody's.
    allowed_origins: tuple[Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:\d{1,5})?$")], ...]
    # Where browsers find the API's own page besides API Gateway's address.
    page_origins: tuple[PageOrigin, ...]
    authentication: Annotated[ApiKeyAuthentication | IamAuthentication | JwtAuthentication, Field(discriminator="kind")]
    firewall: Firewall
    # API Gateway writes access logs with one role an account and region. Of two environments there, one owns it.
    owns_account_log_role: bool

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
        if self.max_upload_bytes < self.max_image_bytes:
            raise ValueError("max_upload_bytes must not be below max_image_bytes: uploads are for what is larger")
        if self.keep_labelled_days < self.keep_days:
            raise ValueError(
                "keep_labelled_days must not be below keep_days: a label would shorten a prediction's time"
            )
        return self
