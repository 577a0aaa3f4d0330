"""Authorizer: decides for API Gateway what the holder of a token may ask for.

Whatever is wrong with a token ends in the one word that the gateway takes for 401. Keys that cannot be fetched end in
an error of another kind, which the gateway answers with 500: nobody should be told that a good token is bad.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from lambdas.authorizer.environment import Environment
from lambdas.authorizer.keys import Keys, download
from lambdas.authorizer.policy import policy
from lambdas.authorizer.token import InvalidTokenError, Verifier

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
environment = cache(Environment.load)


@cache
def verifier() -> Verifier:
    """The service, made once per execution environment."""
    issuer = environment().issuer
    return Verifier(Keys(issuer, download), issuer, environment().audience, clock=time.time)


@logger.inject_lambda_context
def handle(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Handle one TOKEN authorizer event."""
    try:
        bearer = verifier().bearer(str(event.get("authorizationToken") or ""))
    except InvalidTokenError as error:
        logger.info("refused a token", reason=str(error))
        # The word is API Gateway's: "Unauthorized" and nothing else becomes 401.
        raise Exception("Unauthorized") from None
    prefix = environment().scope_prefix
    return policy(bearer.subject, bearer.scopes, prefix=prefix, method_arn=str(event["methodArn"]))
