"""Settings of one environment at their ends, between which a deployed one may be switched."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tests.infra.conftest import environment_context

ENVIRONMENT = "staging"
Values = dict[str, Any]

_SERVERLESS = {"kind": "serverless", "memory_mb": 3072, "max_concurrency": 5, "provisioned_concurrency": 0}
_LESS: Values = {
    "retain": False,
    "log_retention_days": 30,
    "tracing": False,
    "vendor_libraries": False,
    "buckets": {"access_logs": False},
    "endpoint": {"scaling": {"max_instances": 2}, "capture": None},
    "asynchronous": None,
    "api": {
        "max_image_bytes": 4194304,
        "max_upload_bytes": 4194304,
        "firewall": {"enabled": False},
        "owns_account_log_role": False,
        "authentication": {"kind": "iam"},
    },
    "monitoring": {"dashboard": False, "alarms": False, "every_hours": 0},
    "budget": None,
}
_MORE: Values = {
    "retain": True,
    "tags": {"owner": "radiology"},
    "permissions_boundary": "team/boundary",
    "log_retention_days": 90,
    "tracing": True,
    "notification_email": "team@example.com",
    "powertools_layer": {"account": "210987654321", "version": 28},
    "containers": {
        **{f"training_{kind}_tag": "2.22" for kind in ("cpu", "gpu")},
        **{f"serving_{kind}_tag": "2.21" for kind in ("cpu", "gpu")},
    },
    "encryption": {"volume_key": "environment"},
    "buckets": {
        "incoming_days": 31,
        "noncurrent_days": 31,
        "access_logs": True,
        "data_events": True,
        "access_log_days": 31,
        "capture_days": 31,
    },
    "archive": {
        "max_bytes": 1000,
        "max_uncompressed_bytes": 1000,
        "max_files": 10,
        "sources": [{"uri": "s3://radiology/chest/"}],
    },
    "pipeline": {"weights_file": "weights.h5", "spot": True, "tuning": True},
    "site_evaluation": {"max_refused_share": 0.2, "required_for_release": True},
    "endpoint": {
        "instance_type": "ml.m5.xlarge",
        "fallback_instance_types": ["ml.m6i.xlarge"],
        "instance_count": 3,
        "shadow_percent": 10,
        "detailed_observability": True,
        "capture": {"percent": 50, "inputs": True},
        "scaling": {"max_instances": 7, "invocations_per_minute": 100},
        "rollout": {
            "traffic": "linear",
            "percent": 40,
            "wait_seconds": 700,
            "termination_wait_seconds": 200,
            "max_error_percent": 10,
            "max_latency_ms": 3000,
            "max_overhead_ms": 2000,
            "alarm_period_seconds": 10,
        },
    },
    "asynchronous": {
        "instance_type": "ml.m5.xlarge",
        "fallback_instance_types": ["ml.m6i.xlarge"],
        "max_instances": 3,
        "concurrent_requests": 5,
        "backlog_per_instance": 900,
    },
    "batch": {"instance_type": "ml.m5.xlarge", "instance_count": 2, "concurrent_requests": 5},
    "api": {
        "requests_per_second": 20,
        "burst": 40,
        "stage_requests_per_second": 60,
        "stage_burst": 120,
        "requests_per_day": 20000,
        "keep_days": 31,
        "keep_labelled_days": 366,
        "outside_intended_population": "flag",
        "dicom_results": True,
        "dicom_snap_start": True,
        "allowed_origins": ["https://reader.example"],
        "page_origins": ["https://cxr.hospital.example"],
        "firewall": {"enabled": True, "requests_per_five_minutes": 2000},
        "owns_account_log_role": True,
    },
    "monitoring": {
        "dashboard": True,
        "alarms": True,
        "every_hours": 12,
        "retrain": True,
        "days": 8,
        "min_predictions": 100,
        "psi_limit": 0.3,
        "instance_type": "ml.m5.2xlarge",
        "max_runtime_seconds": 4000,
        "runbook_url": "https://wiki.example/runbooks",
    },
    "budget": {"monthly_usd": 1000, "alert_percent": [90]},
}
_TOKENS = {
    "kind": "jwt",
    "issuer": "https://issuer.example",
    "audience": "cxr",
    "scope_prefix": "cxr/",
    "sign_in": {
        "client_id": "page",
        "authorization_endpoint": "https://issuer.example/authorize",
        "token_endpoint": "https://issuer.example/token",
    },
}
_ISOLATED = {"network": {"vpc": True}, "pipeline": {"weights_file": "weights.h5"}}

# On top of prod's. The smallest and the largest show together whatever one setting adds or takes away, since what one
# of them needs of another stack is exported for it alone at one end, and not at all at the other.
SWITCHES: Mapping[str, tuple[Values, ...]] = {
    "as it is": (),
    "least": (_LESS,),
    "most": (_MORE, {"api": {"authentication": _TOKENS}}),
    "isolated": (_LESS, _ISOLATED),
    "isolated, most": (_MORE, _ISOLATED, {"network": {"zones": ["a", "b", "c"]}}),
    "serverless": (_LESS, {"endpoint": _SERVERLESS}),
    "serverless, most": (
        {name: values for name, values in _MORE.items() if name != "endpoint"},
        {"api": {"max_image_bytes": 4000000, "max_upload_bytes": 4000000, "authentication": _TOKENS}},
        {"endpoint": {**_SERVERLESS, "memory_mb": 4096, "max_concurrency": 6, "provisioned_concurrency": 1}},
    ),
}


def context(*changes: Values) -> Values:
    """The context of an environment that is as prod but for these values; None takes a section away."""
    made = copy.deepcopy(environment_context(ENVIRONMENT))
    own = made["environments"]["prod"]
    for change in changes:
        own = merged(own, change)
    made["environments"] = {ENVIRONMENT: own}
    return made


def merged(values: Values, change: Values) -> Values:
    """Settings with other values, group by group; None takes a section away."""
    result = dict(values)
    for name, value in change.items():
        below = result.get(name)
        if value is None:
            result.pop(name, None)
        elif (
            isinstance(value, dict)
            and isinstance(below, dict)
            and below.get("kind") == value.get("kind", below.get("kind"))
        ):
            result[name] = merged(below, value)
        else:
            result[name] = merged({}, value) if isinstance(value, dict) else value
    return result
