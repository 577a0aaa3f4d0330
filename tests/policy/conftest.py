"""The templates of all environments, as the generators see them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.infra.conftest import ENVIRONMENTS, audited, coded, gated, isolated, keyed, snapped, templates, tuned

__all__ = ["audited", "coded", "gated", "isolated", "keyed", "snapped", "templates", "tuned"]


@pytest.fixture(scope="session")
def environments(
    templates: Callable[[str], dict[str, dict[str, Any]]],
    *,
    isolated: dict[str, dict[str, Any]],
    audited: dict[str, dict[str, Any]],
    gated: dict[str, dict[str, Any]],
    coded: dict[str, dict[str, Any]],
    snapped: dict[str, dict[str, Any]],
    keyed: dict[str, dict[str, Any]],
) -> Callable[[], dict[str, dict[str, dict[str, Any]]]]:
    """The templates by environment, or the setting that one is given, and part."""

    @cache
    def every() -> dict[str, dict[str, dict[str, Any]]]:
        return {
            **{environment: templates(environment) for environment in ENVIRONMENTS},
            "network.vpc": isolated,
            "buckets.data_events": audited,
            "site_evaluation.required_for_release": gated,
            "api.dicom_results": coded,
            "api.dicom_snap_start": snapped,
            "encryption.volume_key": keyed,
        }

    return every
