"""Contexts of cdk.json: each environment's, and prod's with one optional setting turned on."""

from typing import Any


def contexts(context: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The context of each environment by its name, and of prod with each optional setting on, by that setting."""
    environments = {name: {**context, "env": name} for name in context["environments"]}
    return {
        **environments,
        "network.vpc": with_network(context),
        "buckets.data_events": with_data_events(context),
        "site_evaluation.required_for_release": with_release_gate(context),
        "api.dicom_results": with_dicom_results(context),
        "api.dicom_snap_start": with_snap_start(context),
        "encryption.volume_key": with_volume_key(context),
    }


def with_tokens_and_mail(context: dict[str, Any]) -> dict[str, Any]:
    """The context of dev with JWT authentication and mail, whose resource types no environment has."""
    issuer = {"kind": "jwt", "issuer": "https://issuer.example", "audience": "cxr"}
    own = {
        **context["environments"]["dev"],
        "notification_email": "team@example.com",
        "api": {"authentication": issuer},
    }
    return {**context, "env": "dev", "environments": {**context["environments"], "dev": own}}


def with_network(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod with a VPC."""
    return _prod(context, network={"vpc": True}, pipeline={"weights_file": "weights.h5"})


def with_data_events(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod with an audit trail of data events."""
    return _prod(context, buckets={"data_events": True})


def with_release_gate(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod that releases only models that a site evaluation calls usable."""
    return _prod(context, site_evaluation={"required_for_release": True})


def with_dicom_results(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod whose API answers with results in DICOM."""
    return _prod(context, api={"dicom_results": True})


def with_snap_start(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod with SnapStart for the Dicom function."""
    return _prod(context, api={"dicom_snap_start": True})


def with_volume_key(context: dict[str, Any]) -> dict[str, Any]:
    """The context of prod where settings have the environment's key on volumes."""
    return _prod(context, encryption={"volume_key": "environment"})


def _prod(context: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    own = context["environments"]["prod"]
    changed = {**own, **{section: {**own.get(section, {}), **values} for section, values in changes.items()}}
    return {**context, "env": "prod", "environments": {**context["environments"], "prod": changed}}
