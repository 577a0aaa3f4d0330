"""Contexts of cdk.json: of each environment, and of prod with what it could choose besides."""

from typing import Any


def contexts(context: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The context of each environment by its name, and of prod with what it could choose besides, by the setting's."""
    environments = {name: {**context, "env": name} for name in context["environments"]}
    return {
        **environments,
        "network.vpc": in_a_network(context),
        "buckets.data_events": audited(context),
        "site_evaluation.required_for_release": gated(context),
        "api.dicom_results": coded(context),
        "api.dicom_snap_start": snapped(context),
        "encryption.volume_key": keyed(context),
    }


def chosen(context: dict[str, Any]) -> dict[str, Any]:
    """The context of dev with what brings types of resources that no environment has: tokens, and mail."""
    issuer = {"kind": "jwt", "issuer": "https://issuer.example", "audience": "cxr"}
    own = {
        **context["environments"]["dev"],
        "notification_email": "team@example.com",
        "api": {"authentication": issuer},
    }
    return {**context, "env": "dev", "environments": {**context["environments"], "dev": own}}


def in_a_network(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod where settings choose a network of its own."""
    return _prod(context, network={"vpc": True}, pipeline={"weights_file": "weights.h5"})


def audited(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod where settings choose a trail of data events."""
    return _prod(context, buckets={"data_events": True})


def gated(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod where settings release only what a site evaluation calls usable."""
    return _prod(context, site_evaluation={"required_for_release": True})


def coded(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod where settings let the API answer with results in DICOM."""
    return _prod(context, api={"dicom_results": True})


def snapped(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod where settings choose a snapshot of the Dicom function."""
    return _prod(context, api={"dicom_snap_start": True})


def keyed(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod where settings have the environment's key on volumes."""
    return _prod(context, encryption={"volume_key": "environment"})


def _prod(context: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    own = context["environments"]["prod"]
    changed = {**own, **{section: {**own.get(section, {}), **values} for section, values in changes.items()}}
    return {**context, "env": "prod", "environments": {**context["environments"], "prod": changed}}
