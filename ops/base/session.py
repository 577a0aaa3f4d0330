"""The AWS session of one command: region, clients, and where the laptop's cloud answers instead of AWS."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3

_CDK_SETTINGS = Path(__file__).resolve().parents[2] / "cdk.json"


class Session:
    """Creates boto3 clients when they are first needed; importing boto3 alone takes most of a second."""

    def __init__(self, *, env: str, region: str | None = None, profile: str | None = None) -> None:
        self.env = env
        self._region = region
        self._profile = profile

    @functools.cached_property
    def region(self) -> str | None:
        """`--region`, else the region that cdk.json deploys this environment to, else that of the AWS configuration."""
        return self._region or configured_region(self.env) or self._boto.region_name

    @property
    def endpoint_url(self) -> str | None:
        """Where the laptop's cloud answers, or None for AWS."""
        return os.environ.get("AWS_ENDPOINT_URL") or None

    @functools.cached_property
    def _boto(self) -> boto3.Session:
        import boto3  # noqa: PLC0415

        # A profile that is named goes before credentials in the environment; without one they go before all profiles.
        return boto3.Session(profile_name=self._profile)

    def credentials(self) -> Any:
        """The credentials, as botocore finds them; raises its error where there are none."""
        found = self._boto.get_credentials()
        if found is None:
            from botocore.exceptions import NoCredentialsError  # noqa: PLC0415

            raise NoCredentialsError
        return found

    def client(self, service: str) -> Any:
        """A client of the service in the session's region; raises botocore's errors for a broken configuration."""
        from botocore.config import Config  # noqa: PLC0415

        config = Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 4},
            user_agent_extra="cxr",
        )
        return self._boto.client(service, region_name=self.region, config=config)  # type: ignore[call-overload]


def configured_region(env: str, settings: Path = _CDK_SETTINGS) -> str | None:
    """The region in cdk.json's context for `env`; None when the file or the environment is not there."""
    try:
        context = json.loads(settings.read_text(encoding="utf-8"))["context"]
        own = context["environments"][env]
        like = context["environments"][own["like"]] if "like" in own else {}
        region = {**context.get("shared", {}), **like, **own}["region"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return region if isinstance(region, str) else None
