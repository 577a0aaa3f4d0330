"""Errors of commands: one sentence for a person, and an exit code for a script."""

from __future__ import annotations

import os
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """Exit codes of every command; `cxr --help` documents them."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 3
    TIMED_OUT = 4
    INTERRUPTED = 130
    UNREAD = 141


class CommandError(Exception):
    """A command cannot go on. `str(error)` is the sentence that is printed."""

    def __init__(self, sentence: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_INVALID = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "AuthFailure",
    }
)
# What services answer in a region that the account has not enabled too: regions since 2019 have to be
# (segmentio/aws-okta#225 and brefphp/extra-php-extensions#384, where enabling it was all; read 2026-11-30).
_NOT_ENABLED = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"})
_SLOW = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"})


def explain(error: BaseException) -> CommandError | None:
    """Message for an error of the AWS SDK or the network; None for any other error, which is a defect of ours."""
    if isinstance(error, CommandError):
        return error
    # Imported late: a command that never calls AWS, such as --help, does not pay for botocore.
    from botocore import exceptions as sdk  # noqa: PLC0415

    if isinstance(error, sdk.ClientError):
        return _explain_answer(error.response, error.operation_name)
    if isinstance(error, (sdk.HTTPClientError, sdk.ConnectionError)):
        return _unreachable(error)
    return _explain_sign_in(error, sdk) or _explain_machine(error, sdk)


def _explain_sign_in(error: BaseException, sdk: Any) -> CommandError | None:
    absent = "No usable AWS credentials were found: run `aws login` or `aws sso login`, or set AWS_PROFILE."
    if os.environ.get("AWS_ENDPOINT_URL"):
        absent = "Set AWS_ACCESS_KEY_ID=test and AWS_SECRET_ACCESS_KEY=test for the laptop's cloud."
    said = str(error).rstrip(".")
    sentences: dict[tuple[type[BaseException], ...], str] = {
        (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.CredentialRetrievalError): absent,
        (sdk.TokenRetrievalError, sdk.SSOError): _expired("aws sso login"),
        (sdk.LoginInsufficientPermissions,): f"The sign-in of `aws login` cannot be used: {said}.",
        (sdk.LoginError,): _expired("aws login"),
        (sdk.NoRegionError,): "No AWS region is known: pass --region, or set AWS_REGION.",
        (sdk.ProfileNotFound, sdk.ConfigParseError): f"The AWS configuration cannot be used: {said}.",
    }
    return next((_unavailable(sentence) for kinds, sentence in sentences.items() if isinstance(error, kinds)), None)


def _expired(command: str) -> str:
    return f"The AWS sign-in has expired: run `{command}` and repeat the command."


def _explain_machine(error: BaseException, sdk: Any) -> CommandError | None:
    if isinstance(error, (sdk.BotoCoreError, OSError)) or type(error).__module__.startswith(("boto3.", "s3transfer.")):
        return CommandError(f"{type(error).__name__}: {str(error).rstrip('.')}.")
    return None


def _explain_answer(response: Any, operation: str) -> CommandError:
    details = response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", "")).strip().rstrip(".")
    if code in _EXPIRED:
        return _unavailable(
            "The AWS session has expired: sign in again (`aws login` or `aws sso login`) and repeat the command."
        )
    if code in _INVALID:
        enabled = ", and that the account has this region enabled, if it is a newer one" if code in _NOT_ENABLED else ""
        return _unavailable(
            f"AWS does not accept these credentials: check AWS_PROFILE or the access key in use{enabled}."
        )
    if code in _DENIED:
        return _unavailable(f"AWS refused {operation}: {message or 'access denied'}.")
    if code in _SLOW:
        return _unavailable(f"AWS is throttling {operation}: wait a minute and repeat the command.")
    return CommandError(f"{operation} failed: {message or 'no reason was given'} ({code}).")


def _unreachable(error: BaseException) -> CommandError:
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        return _unavailable(
            f"Nothing answers at {endpoint}: start the laptop's cloud (`cxr up` or `make demo`), or unset "
            "AWS_ENDPOINT_URL."
        )
    return _unavailable(
        f"AWS cannot be reached: {str(error).rstrip('.')}; is the region right, and is there a network?"
    )


def _unavailable(sentence: str) -> CommandError:
    return CommandError(sentence, ExitCode.UNAVAILABLE)
