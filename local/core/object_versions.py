"""S3's lifecycle rules on the laptop: versions that a rule keeps for one day are gone when they are replaced.

MiniStack keeps every version of every object in memory, and no rules: CloudFormation's it does not even store. A
training would leave 0.38 GB for each checkpoint. One day is the least that a rule can say, since NoncurrentDays is
positive
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_NoncurrentVersionExpiration.html, read 2026-11), and says that
nobody needs the version: here the day is over at once. Other rules have longer days than a laptop runs.

Hooks, besides those of `local.core.emulator`: `provisioners._RESOURCE_HANDLERS` learn a bucket's rules,
after `s3._record_object_version` and `s3._record_delete_marker`, called for each write and deletion,
`s3._object_versions` loses what they let go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.services import s3
from ministack.services.cloudformation import provisioners

_BUCKET = "AWS::S3::Bucket"
# By bucket, the prefixes of keys whose noncurrent versions expire in a day.
_prefixes: dict[str, tuple[str, ...]] = {}


def expire() -> None:
    """Expire noncurrent versions at once in buckets whose lifecycle rule keeps them for one day."""
    handlers = provisioners._RESOURCE_HANDLERS[_BUCKET]
    create, update = handlers["create"], handlers["update"]
    record, record_deletion = s3._record_object_version, s3._record_delete_marker

    def create_with_rules(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        created = create(logical_id, properties, stack)
        _prefixes[created[0]] = expiring(properties)
        return created

    def update_with_rules(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str) -> Any:
        _prefixes[physical_id] = expiring(new)
        return update(physical_id, old, new, stack)

    def record_and_expire(bucket: str, key: str, *rest: Any) -> Any:
        version = record(bucket, key, *rest)
        _expire_noncurrent(bucket, key)
        return version

    def record_deletion_and_expire(bucket: str, key: str, *rest: Any) -> Any:
        marker = record_deletion(bucket, key, *rest)
        _expire_noncurrent(bucket, key)
        return marker

    provisioners._RESOURCE_HANDLERS[_BUCKET] = {**handlers, "create": create_with_rules, "update": update_with_rules}
    s3._record_object_version, s3._record_delete_marker = record_and_expire, record_deletion_and_expire


def _expire_noncurrent(bucket: str, key: str) -> None:
    if key.startswith(_prefixes.get(bucket, ())):
        versions = s3._object_versions[(bucket, key)]
        versions[:] = [version for version in versions if version["is_latest"]]


def expiring(properties: Mapping[str, Any]) -> tuple[str, ...]:
    """Prefixes whose noncurrent versions expire in a day, by a bucket's properties in a template."""
    rules = (properties.get("LifecycleConfiguration") or {}).get("Rules") or []
    return tuple(
        rule["Prefix"]
        for rule in rules
        if rule.get("Status") == "Enabled"
        and rule.get("Prefix")
        and int((rule.get("NoncurrentVersionExpiration") or {}).get("NoncurrentDays", 0)) == 1
    )
