"""CreateModelPackage request of RegisterModel."""

from collections.abc import Mapping
from typing import Any

Request = dict[str, Any]

DESCRIPTION = (
    "Probability of pneumonia from one frontal chest radiograph of a child. For research use only: not a medical "
    "device, not for diagnosis or treatment. Read the attached evaluation before approving."
)


def register_request(
    *, model_uri: Any, statistics_uri: Any, reference_uri: Any, card: Any, metadata: Mapping[str, Any]
) -> Request:
    """The request that adds a version, pending approval, to the model package group.

    Args:
        model_uri: S3 URI of `served.tar.gz`, the model with the weights that the evaluation let serve.
        statistics_uri: S3 URI of `evaluation.json`, which SageMaker Studio shows beside the version.
        reference_uri: S3 URI of `reference.json`, with which predictions of this version are compared once it serves.
        card: the model card, a JSON document as text of at most 100,000 characters, in the schema for model packages
            (https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-details.html).
        metadata: searchable properties of the version; a value has at most 256 letters, digits and `_.:/=+-@`.
    """
    return {
        "ModelPackageGroupName": "${ModelPackageGroupName}",
        "ModelPackageDescription": DESCRIPTION,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [{"Image": "${ServingImageUri}", "ModelDataUrl": model_uri}],
            "SupportedContentTypes": ["image/jpeg", "image/png", "application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
            # No instance types, which are "optional for versioned models" (InferenceSpecification in botocore 1.43's
            # service model, read 2026-11-29): settings choose them, and whether SageMaker refuses an endpoint or a
            # transform job on one that is not listed is documented nowhere.
        },
        "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": statistics_uri}}},
        "DriftCheckBaselines": {
            "ModelDataQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": reference_uri}}
        },
        # The card waits for the same person as the version does.
        "ModelCard": {"ModelCardContent": card, "ModelCardStatus": "PendingReview"},
        # Of model_code, whose execution registers the version: where the SageMaker console shows a package's commit.
        "MetadataProperties": {"CommitId": "${SourceRevision}"},
        "CustomerMetadataProperties": dict(metadata),
    }
