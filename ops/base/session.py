"""The AWS session of one command: region, clients, and where the laptop's cloud answers instead of AWS."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ops.base.errors import CommandError, ExitCode

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
        """`--region`, else the region that cdk.json deploys this environment to, else that of the AWS configuration.

        Raises:
            CommandError: AWS has no region of such a name.
        """
        # boto3 reads AWS_DEFAULT_REGION only; other tools of AWS, and Lambda, know AWS_REGION.
        asked = self._region or configured_region(self.env) or os.environ.get("AWS_REGION")
        found = asked or self._boto.region_name
        if found:
            from botocore.exceptions import UnknownRegionError  # noqa: PLC0415
            from botocore.session import get_session  # noqa: PLC0415

            try:
                get_session().get_partition_for_region(found)
            except UnknownRegionError:
                raise CommandError(
                    f"AWS has no region {found!r}: name one such as us-east-1 by --region, cdk.json or AWS_REGION.",
                    ExitCode.USAGE,
                ) from None
        return found

    @property
    def endpoint_url(self) -> str | None:
        """URL of the laptop's cloud, or None for AWS.

        Raises:
            CommandError: the variable holds no address.
        """
        url = os.environ.get("AWS_ENDPOINT_URL") or None
        if url and not _is_address(url):
            raise CommandError(
                f"AWS_ENDPOINT_URL is {url!r}, which is no address: set it to one such as http://127.0.0.1:4566, or "
                "unset it.",
                ExitCode.USAGE,
            )
        return url

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

        _ = self.endpoint_url  # which botocore reads itself, and calls wrong in words of its own
        config = Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 4},
            user_agent_extra="cxr",
        )
        return self._boto.client(service, region_name=self.region, config=config)  # type: ignore[call-overload]


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and " " not in url
    except ValueError:  # a port that is none, or brackets that do not close
        return False


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
