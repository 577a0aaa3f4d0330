"""The pipeline that evaluates a registered model on another site's radiographs."""

from collections.abc import Mapping

from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.base.assets import ROOT
from infra.base.deep_learning_images import DeepLearningImages
from infra.base.sagemaker_role import SageMakerRole
from infra.network.vpc import Network
from infra.settings.environment import Settings
from infra.storage.data_stack import SITE_EVALUATIONS, SITE_IMAGES
from infra.storage.encrypted_bucket import EncryptedBucket
from infra.training.sagemaker_pipeline import SageMakerPipeline
from infra.training.source_code import SourceCode

DEFINITION = ROOT / "pipeline" / "definition-site-evaluation.json"


class SiteEvaluation(Construct):
    """A pipeline of two steps, and the role of the second: the first is training's own, with its role.

    What it finds lies below `site-evaluations/` of the artifact bucket. Nothing is written to the model registry:
    UpdateModelPackage would change when the package was last modified, which is how releases tell what was approved
    last, and a role that may call it could approve (docs/adr/0042).

    Args:
        placeholders: what replaces each `${name}` of the definition, without the role made here.
        decode_role: of PreprocessImages.
        artifacts: the bucket with models, and for what it finds.
        key: encrypts volumes.
        source_code: what the jobs run.
        images: containers.
        network: where jobs run; None leaves it to SageMaker.
        settings: of the environment.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        placeholders: Mapping[str, str],
        decode_role: SageMakerRole,
        artifacts: EncryptedBucket,
        key: kms.IKey,
        source_code: SourceCode,
        images: DeepLearningImages,
        network: Network | None,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        role = SageMakerRole(self, "SiteRole", description="Evaluates a registered model on a site's radiographs")
        self.pipeline = SageMakerPipeline(
            self,
            "Pipeline",
            name=f"{settings.name}-site-evaluation",
            compiled=DEFINITION,
            purpose="site evaluation",
            placeholders={**placeholders, "SiteRoleArn": role.role_arn},
            defaults=settings.site_evaluation.defaults(settings.pipeline),
            network=network.for_jobs() if network else None,
        )
        role.write_logs("ProcessingJobs")
        artifacts.grant_read(role, "executions/*", f"{SITE_IMAGES}/*")
        artifacts.grant_write(role, f"{SITE_EVALUATIONS}/*")
        role.encrypt_volumes(key.key_arn)
        source_code.grant_read(role)
        images.grant_pull(role)
        if network is not None:
            network.grant_attach(role)

        self.pipeline.run_jobs("processing")
        self.pipeline.role.encrypt_volumes(key.key_arn)
        for step_role in (decode_role, role):
            step_role.grant_pass_to_sagemaker(self.pipeline.role)
