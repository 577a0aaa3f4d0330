"""The region has to be the one the environment is deployed to, whatever the shell happens to be set to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ops.base.errors import CommandError, ExitCode
from ops.base.session import Session, configured_region


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "cdk.json"
    environments = {"dev": {}, "prod": {"region": "eu-central-1"}, "odd": {"region": 3}}
    path.write_text(json.dumps({"context": {"shared": {"region": "eu-west-1"}, "environments": environments}}))
    return path


def test_the_region_of_an_environment_is_the_one_in_cdk_json(settings: Path) -> None:
    assert configured_region("dev", settings) == "eu-west-1"
    assert configured_region("prod", settings) == "eu-central-1"
    assert configured_region("odd", settings) is None
    assert configured_region("other", settings) is None
    assert configured_region("dev", settings.with_name("absent.json")) is None


def test_region_comes_from_the_option_then_cdk_json_then_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.base.session.configured_region", {"dev": "eu-west-1"}.get)
    assert Session(env="dev", region="ap-south-1").region == "ap-south-1"
    assert Session(env="dev").region == "eu-west-1"
    assert Session(env="unknown").region == "us-east-1"


def test_clients_are_of_that_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.base.session.configured_region", {"dev": "eu-west-1"}.get)
    assert Session(env="dev").client("s3").meta.region_name == "eu-west-1"


def test_cdk_json_of_this_repository_has_a_region_for_every_environment() -> None:
    for env in ("dev", "prod", "laptop"):
        assert configured_region(env)


def test_a_named_profile_goes_before_the_credentials_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command reads with one and writes with the other, such as in a job whose credentials are the target's."""
    (tmp_path / "config").write_text(
        "[profile staging]\naws_access_key_id=of-staging\naws_secret_access_key=secret\n", encoding="utf-8"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert Session(env="staging", profile="staging").credentials().access_key == "of-staging"
    assert Session(env="prod").credentials().access_key == "test"


def test_who_signed_in_by_aws_login_has_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its session has a key of its own, for which botocore needs its extra `crt` (botocore 1.43, LoginProvider)."""
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    session = "arn:aws:sts::123456789012:assumed-role/Admin/someone"
    token = {
        "accessToken": {
            "accessKeyId": "of-login",
            "secretAccessKey": "secret",
            "sessionToken": "token",
            "accountId": "123456789012",
            "expiresAt": "2999-01-01T00:00:00Z",
        },
        "refreshToken": "again",
        "clientId": "arn:aws:signin:::devtools/same-device",
        "dpopKey": key.decode(),
    }
    cached = tmp_path / f"{hashlib.sha256(session.encode()).hexdigest()}.json"
    cached.write_text(json.dumps(token), encoding="utf-8")
    (tmp_path / "config").write_text(f"[profile console]\nlogin_session={session}\n", encoding="utf-8")
    monkeypatch.setenv("AWS_LOGIN_CACHE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert Session(env="prod", profile="console").credentials().access_key == "of-login"


@pytest.mark.parametrize("given", ["nonsense", "us_east_1", "bad.region!", "eu central 1"])
def test_a_region_that_aws_does_not_have_is_named(given: str) -> None:
    with pytest.raises(CommandError, match="AWS has no region") as refused:
        _ = Session(env="dev", region=given).region
    assert repr(given) in str(refused.value)
    assert refused.value.exit_code == ExitCode.USAGE


def test_the_region_of_aws_region_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 reads AWS_DEFAULT_REGION only, and the commands tell people to set AWS_REGION."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert Session(env="of-nobody").region == "eu-north-1"


@pytest.mark.parametrize(
    "url",
    ["foo", "http://", "127.0.0.1:4566", "http://exa mple", "ftp://127.0.0.1", "http://127.0.0.1:99999", "http://[::1"],
)
def test_an_endpoint_that_is_no_address_is_no_defect(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(CommandError, match="AWS_ENDPOINT_URL is") as refused:
        Session(env="dev").client("s3")
    assert repr(url) in str(refused.value)
