"""Authorizer policy for API Gateway: the paths that a token's scopes open."""

from __future__ import annotations

from typing import Any

# Scope -> methods and paths, `*` for an id. A test compares with the API's own list.
OPENED = {
    "predict": ("POST/v1/predictions", "GET/v1/predictions/*", "GET/v1/model"),
    "upload": ("POST/v1/uploads",),
    "feedback": ("POST/v1/predictions/*/feedback",),
}


def policy(subject: str, scopes: frozenset[str], *, prefix: str, method_arn: str) -> dict[str, Any]:
    """The answer to API Gateway.

    It names everything the token opens, not only what is asked for now: the gateway remembers it for other paths.

    Args:
        prefix: stands before the names of this API in scopes.
        method_arn: ARN of what is asked for; its beginning names the API and the stage.
    """
    stage = "/".join(method_arn.split("/")[:2])
    opened = [path for name, paths in OPENED.items() if prefix + name in scopes for path in paths]
    # A policy needs a resource: without any scope of ours it denies everything.
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": "Allow" if opened else "Deny",
        "Resource": [f"{stage}/{path}" for path in opened or ["*"]],
    }
    return {"principalId": subject, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
