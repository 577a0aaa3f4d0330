"""Removal policy of resources that hold data."""

from aws_cdk import RemovalPolicy


def removal_policy(*, retain: bool) -> RemovalPolicy:
    """Whether a resource outlives its stack.

    A resource that stays even when its own creation is rolled back (`Retain`) has a name that the next attempt cannot
    use again, so a first deployment that failed could not be repeated. `RetainExceptOnCreate` takes it away then, and
    only then (AWS, "What's New" of 2023-07-31, and the CDK's `CfnDeletionPolicy`, read 2026-11; not tried in an
    account).
    """
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if retain else RemovalPolicy.DESTROY
