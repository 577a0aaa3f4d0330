"""Pipelines that evaluate a registered model on a site's radiographs, or calibrate it on them or on readers' labels."""

import dataclasses
from collections.abc import Mapping

from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.base.assets import ROOT
from infra.base.deep_learning_images import DeepLearningImages
from infra.base.function import Function
from infra.base.sagemaker_role import SageMakerRole
from infra.network.vpc import Network
from infra.settings.environment import Settings
from infra.storage.data_stack import SITE_EVALUATIONS, SITE_IMAGES
from infra.storage.encrypted_bucket import EncryptedBucket
from infra.storage.ttl_table import ExpiringTable
from infra.training.model_registry import ModelRegistry
from infra.training.sagemaker_pipeline import SageMakerPipeline
from infra.training.source_code import SourceCode
from model_code.contract.parameters import Parameter
from model_code.contract.site_parameters import CALIBRATION, LABEL_CALIBRATION, SITE


@dataclasses.dataclass(frozen=True)
class SharedParts:
    """Parts that the pipelines of this module share with the training pipeline.

    Attributes:
        placeholders: what replaces each `${name}` of a definition, without the role made here.
        decode_role: of PreprocessImages.
        key: encrypts volumes.
        network: where jobs run; None leaves it to SageMaker.
    """

    placeholders: Mapping[str, str]
    decode_role: SageMakerRole
    artifacts: EncryptedBucket
    key: kms.IKey
    source_code: SourceCode
    images: DeepLearningImages
    network: Network | None
    settings: Settings


class SitePipeline(Construct):
    """A pipeline, and the role of its own step; where it takes an archive, the first step is training's, with its role.

    Args:
        name: of the pipeline after the environment's, and of its definition.
        role: name of the step's role, by which the definition asks for it.
        does: what the step does, as its role's description names it.
        reads: keys of the artifact bucket that it reads.
        writes: those that it writes.
        decodes: whether it takes an archive.
        parameters: the pipeline's, of which settings give the defaults.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        role: str,
        does: str,
        reads: tuple[str, ...] = ("executions/*", f"{SITE_IMAGES}/*"),
        writes: str,
        decodes: bool = True,
        parameters: Mapping[str, Parameter],
        shared: SharedParts,
    ) -> None:
        super().__init__(scope, construct_id)
        settings, artifacts, network = shared.settings, shared.artifacts, shared.network
        own = SageMakerRole(self, role, description=does)
        self.pipeline = SageMakerPipeline(
            self,
            "Pipeline",
            name=f"{settings.name}-{name}",
            compiled=ROOT / "pipeline" / f"definition-{name}.json",
            purpose=name.replace("-", " "),
            placeholders={**shared.placeholders, f"{role}Arn": own.role_arn},
            defaults=settings.site_evaluation.defaults(settings.pipeline, parameters),
            network=network.for_jobs() if network else None,
        )
        own.write_logs("ProcessingJobs")
        artifacts.grant_read(own, *reads)
        artifacts.grant_write(own, writes)
        own.encrypt_volumes(shared.key.key_arn)
        shared.source_code.grant_read(own)
        shared.images.grant_pull(own)
        if network is not None:
            network.grant_attach(own)

        self.pipeline.run_jobs("processing")
        self.pipeline.role.encrypt_volumes(shared.key.key_arn)
        self.step_role = own
        for step_role in (shared.decode_role, own) if decodes else (own,):
            step_role.grant_pass_to_sagemaker(self.pipeline.role)


class SiteEvaluation(SitePipeline):
    """The pipeline that evaluates a model.

    What it finds lies below `site-evaluations/` of the artifact bucket. Nothing is written to the model registry:
    UpdateModelPackage would change when the package was last modified, which is how releases tell what was approved
    last, and a role that may call it could approve (docs/adr/0042).
    """

    def __init__(self, scope: Construct, construct_id: str, *, shared: SharedParts) -> None:
        super().__init__(
            scope,
            construct_id,
            name="site-evaluation",
            role="SiteRole",
            does="Evaluates a registered model on a site's radiographs",
            writes=f"{SITE_EVALUATIONS}/*",
            parameters=SITE,
            shared=shared,
        )


class Calibration(SitePipeline):
    """The pipeline that calibrates a model, and registers what passes the gates (docs/adr/0044).

    Args:
        serving: the function that finds the model to compare with.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, registry: ModelRegistry, serving: Function, shared: SharedParts
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            name="calibration",
            role="CalibrationRole",
            does="Calibrates a registered model on a site's radiographs",
            writes="executions/*",
            parameters=CALIBRATION,
            shared=shared,
        )
        _grant_registration(self.pipeline, registry, serving, shared)


class LabelCalibration(SitePipeline):
    """The pipeline that calibrates a model on readers' labels (docs/adr/0063).

    Its step scans the predictions and is not isolated from the network, so it reads of executions what it needs by
    name: shards are radiographs.

    Args:
        serving: the function that finds the model to compare with.
        shared: what it shares with training, `PredictionsTableName` among the placeholders.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        registry: ModelRegistry,
        serving: Function,
        predictions: ExpiringTable,
        shared: SharedParts,
    ) -> None:
        names = ("served.tar.gz", "model.tar.gz", "output.tar.gz")
        documents = ("evaluation.json", "dataset.json", "training_images.jsonl.gz")
        super().__init__(
            scope,
            construct_id,
            name="label-calibration",
            role="LabelCalibrationRole",
            does="Calibrates a registered model on readers' labels of its predictions",
            reads=tuple(f"executions/*/{name}" for name in (*names, *documents)),
            writes="executions/*",
            decodes=False,
            parameters=LABEL_CALIBRATION,
            shared=shared,
        )
        # An input that is a folder is listed before its files are read: names, of dataset reports alone.
        shared.artifacts.grant_list(self.step_role, "executions/*/report*")
        predictions.grant(self.step_role, "Scan")
        _grant_registration(self.pipeline, registry, serving, shared)


def _grant_registration(
    pipeline: SageMakerPipeline, registry: ModelRegistry, serving: Function, shared: SharedParts
) -> None:
    """Let a pipeline find what serves, and add a version to the registry."""
    shared.artifacts.grant_read(pipeline.role, "executions/*")
    registry.grant_register(pipeline.role)
    shared.images.grant_register(pipeline.role)
    serving.grant_invoke(pipeline.role)
