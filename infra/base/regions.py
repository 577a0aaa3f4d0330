"""Regional differences of AWS: accounts that publish images and layers, and CloudFormation's resource types.

A region without images or layer stops the synthesis: a deployment would fail an hour later, when the first job cannot
pull its image or the first function its layer.
"""

from aws_cdk.region_info import RegionInfo

from infra.settings.section import SettingsError

# aws/deep-learning-containers at 18d714e, docs/reference/region_availability.md, read 2026-11-28: what aws-cdk-lib
# 2.275 does not know. A test fails once it does.
_IMAGES = {
    "af-south-1": "626614931356",
    "ap-northeast-3": "364406365360",
    "ap-southeast-5": "550225433462",
    "ap-southeast-7": "590183813437",
    "ca-west-1": "204538143572",
    "il-central-1": "780543022126",
    "me-west-1": "124382933778",
    "mx-central-1": "637423239942",
}
# aws-powertools/powertools-lambda-python at 33f2c8f, docs/getting-started/install.md, read 2026-11-28. Other partitions
# have accounts of their own, and Ningxia has no layer. A region that is not in another table of the same project has
# none for ARM yet, or none; which these are changes: `cxr doctor` asks (`layers` of `ops/platform/doctor.py`).
_LAYERS = {
    "cn-north-1": "498634801083",
    "us-gov-east-1": "165087284144",
    "us-gov-west-1": "165093116878",
}
_COMMERCIAL = "aws"
_CONSOLES = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
# Types of the templates that CloudFormation's registry lacks, in the regions that have images (schemas of cfn-lint 1,
# read 2026-11-30; a test compares, so a newer one that has them takes them away here). The CDK's own validation has no
# endpoints in me-central-1 either (F3006).
_NO_ENDPOINTS = frozenset({"me-central-1"})
_ABSENT = {
    "AWS::Budgets::Budget": frozenset(
        {
            *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-3", "ap-south-2", "ap-southeast-3"),
            *("ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2"),
            *("eu-north-1", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "mx-central-1"),
        }
    ),
    "AWS::SageMaker::Endpoint": _NO_ENDPOINTS,
    "AWS::SageMaker::EndpointConfig": _NO_ENDPOINTS,
    "AWS::SageMaker::Model": _NO_ENDPOINTS,
    "AWS::SageMaker::ModelPackageGroup": frozenset(
        {"ap-east-2", "ap-south-2", "ap-southeast-4", "ap-southeast-6", "cn-north-1"}
    ),
}


def images_account(region: str) -> str:
    """Account of AWS's Deep Learning Containers in a region.

    Raises:
        SettingsError: there are none.
    """
    account = RegionInfo.get(region).dlc_repository_account or _IMAGES.get(region)
    if account is None:
        raise SettingsError(f"AWS publishes no Deep Learning Containers in {region}: choose another region.")
    return account


def layer_account(region: str, commercial: str) -> str:
    """Account of the layer with Powertools for AWS Lambda in a region.

    Args:
        commercial: the account in the partition `aws`.

    Raises:
        SettingsError: the region is of another partition, and has no layer.
    """
    partition = RegionInfo.get(region).partition
    account = commercial if partition in (None, _COMMERCIAL) else _LAYERS.get(region)
    if account is None:
        raise SettingsError(f"There is no layer with Powertools for AWS Lambda in {region}: choose another region.")
    return account


def console(region: str) -> str:
    """Host of the AWS Management Console for a region.

    Partitions have consoles of their own (https://docs.aws.amazon.com/general/latest/gr/mgmt-console.html and
    grafana/grafana#64080, which links to them, read 2026-11-29).
    """
    return _CONSOLES.get(RegionInfo.get(region).partition or _COMMERCIAL, f"{region}.console.aws.amazon.com")


def check_endpoints(region: str) -> None:
    """Refuse a region in which CloudFormation makes no endpoints: the first release would fail.

    Raises:
        SettingsError: it is one.
    """
    if not is_available("AWS::SageMaker::Endpoint", region):
        raise SettingsError(f"CloudFormation makes no SageMaker endpoints in {region}: choose another region.")


def is_available(kind: str, region: str) -> bool:
    """Whether CloudFormation has a resource type in a region, as far as these stacks need to know."""
    return region not in _ABSENT.get(kind, ())
