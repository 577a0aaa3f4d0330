"""Whatever goes wrong, a person reads one sentence that says what to do, and a script gets an exit code."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore import exceptions as sdk
from typer.testing import Result

from lambdas.aws.errors import error_code
from ops.base.errors import CommandError, ExitCode, explain


def _answer(code: str, message: str = "Something.") -> sdk.ClientError:
    return sdk.ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (sdk.NoCredentialsError(), "aws sso login"),
        (sdk.NoRegionError(), "--region"),
        (sdk.ProfileNotFound(profile="work"), "work"),
        (sdk.UnauthorizedSSOTokenError(), "aws sso login"),
        (sdk.LoginRefreshRequired(), "has expired: run `aws login`"),
        (sdk.LoginTokenLoadError(error_msg="No session."), "has expired: run `aws login`"),
        (sdk.LoginInsufficientPermissions(), "signin:CreateOAuth2Token"),
        (sdk.EndpointConnectionError(endpoint_url="https://sts.example"), "cannot be reached"),
        (_answer("ExpiredToken"), "expired"),
        (_answer("InvalidClientTokenId"), "does not accept these credentials"),
        (_answer("UnrecognizedClientException"), "has this region enabled"),
        (_answer("SignatureDoesNotMatch"), "check AWS_PROFILE or the access key in use."),
        (_answer("AccessDenied", "User x is not authorized."), "User x is not authorized"),
        (_answer("ThrottlingException"), "throttling DescribeStacks"),
    ],
)
def test_what_only_the_person_can_put_right_is_exit_code_3(error: Exception, words: str) -> None:
    explained = explain(error)
    assert explained is not None
    assert explained.exit_code is ExitCode.UNAVAILABLE
    assert words in str(explained)
    assert "\n" not in str(explained)


def test_another_refusal_of_aws_names_the_operation_and_its_reason() -> None:
    explained = explain(_answer("ValidationException", "The name is too long."))
    assert str(explained) == "DescribeStacks failed: The name is too long (ValidationException)."
    assert explained is not None
    assert explained.exit_code is ExitCode.FAILED


def test_the_laptop_cloud_that_is_not_running_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    explained = explain(sdk.EndpointConnectionError(endpoint_url="http://127.0.0.1:4566"))
    assert "Nothing answers at http://127.0.0.1:4566" in str(explained)
    assert "AWS_ACCESS_KEY_ID=test" in str(explain(sdk.NoCredentialsError()))


def test_a_command_error_is_its_own_explanation_and_a_defect_has_none() -> None:
    error = CommandError("No.")
    assert explain(error) is error
    assert explain(KeyError("x")) is None
    assert error_code(_answer("NoSuchKey")) == "NoSuchKey"
    assert error_code(KeyError("x")) == ""


def test_nothing_listening_ends_the_command_with_the_sentence(
    cxr: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the real client: port 1 of this machine refuses."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    result = cxr("status")
    assert result.exit_code == ExitCode.UNAVAILABLE
    assert "Nothing answers at http://127.0.0.1:1" in result.stderr


def test_a_defect_is_said_to_be_one_and_shows_where_on_request(
    cxr: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("ops.commands.overview.collect", broken)
    result = cxr("status")
    assert result.exit_code == ExitCode.FAILED
    assert "defect of cxr: ZeroDivisionError: oops" in result.stderr
