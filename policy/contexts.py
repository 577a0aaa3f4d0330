"""Contexts of cdk.json: each environment's, and prod's with one optional setting turned on."""

from collections.abc import Mapping
from typing import Any

OPTIONAL: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "network.vpc": {"network": {"vpc": True}, "pipeline": {"weights_file": "weights.h5"}},
    "buckets.data_events": {"buckets": {"data_events": True}},
    "site_evaluation.required_for_release": {"site_evaluation": {"required_for_release": True}},
    "api.dicom_results": {"api": {"dicom_results": True}},
    "api.dicom_snap_start": {"api": {"dicom_snap_start": True}},
    "encryption.volume_key": {"encryption": {"volume_key": "environment"}},
}
"""What differs from prod, by section, where an optional setting is on."""


def contexts(context: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The context of each environment by its name, and of prod with each optional setting on, by that setting."""
    environments = {name: {**context, "env": name} for name in context["environments"]}
    return {**environments, **{setting: with_setting(context, setting) for setting in OPTIONAL}}


def with_setting(context: dict[str, Any], setting: str) -> dict[str, Any]:
    """The context of prod with a setting of `OPTIONAL` on."""
    own = context["environments"]["prod"]
    sections = {section: {**own.get(section, {}), **values} for section, values in OPTIONAL[setting].items()}
    return {**context, "env": "prod", "environments": {**context["environments"], "prod": {**own, **sections}}}


def with_tokens_and_mail(context: dict[str, Any]) -> dict[str, Any]:
    """The context of dev with JWT authentication and mail, whose resource types no environment has."""
    issuer = {"kind": "jwt", "issuer": "https://issuer.example", "audience": "cxr"}
    own = {
        **context["environments"]["dev"],
        "notification_email": "team@example.com",
        "api": {"authentication": issuer},
    }
    return {**context, "env": "dev", "environments": {**context["environments"], "dev": own}}
