"""Authentication of the REST API: API keys, IAM principals or JSON Web Tokens."""

from typing import TypedDict

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from infra.base.function import Function
from infra.settings.api import JwtAuthentication
from infra.settings.environment import Settings

# A stolen or withdrawn token works for so long after it was looked at.
REMEMBERED_SECONDS = 300


class MethodOptions(TypedDict, total=False):
    """Keyword arguments of `aws_apigateway.Resource.add_method`."""

    api_key_required: bool
    authorization_type: apigateway.AuthorizationType
    authorizer: apigateway.IAuthorizer


class Authentication(Construct):
    """The one way to authenticate that the settings choose (docs/adr/0013)."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        chosen = settings.api.authentication
        self.kind = chosen.kind
        self.required: MethodOptions
        if isinstance(chosen, JwtAuthentication):
            self.required = {
                "authorization_type": apigateway.AuthorizationType.CUSTOM,
                "authorizer": self._authorizer(chosen, settings),
            }
        elif chosen.kind == "iam":
            self.required = {"authorization_type": apigateway.AuthorizationType.IAM}
        else:
            self.required = {"api_key_required": True}

    def _authorizer(self, chosen: JwtAuthentication, settings: Settings) -> apigateway.TokenAuthorizer:
        function = Function(
            self,
            "Function",
            name="authorizer",
            libraries="jwt",
            memory_mb=512,
            timeout_seconds=10,  # two documents of the issuer, each within three seconds
            environment={"ISSUER": chosen.issuer, "AUDIENCE": chosen.audience, "SCOPE_PREFIX": chosen.scope_prefix},
            settings=settings,
        )
        return apigateway.TokenAuthorizer(
            self,
            "Resource",
            handler=function,
            results_cache_ttl=Duration.seconds(REMEMBERED_SECONDS),
            # What cannot be a token never reaches the function.
            validation_regex=r"^[Bb]earer [-0-9A-Za-z_]+\.[-0-9A-Za-z_]+\.[-0-9A-Za-z_]+$",
        )
