"""The training pipeline: the compiled definition that settings choose, and the names of its jobs."""

from collections.abc import Mapping
from pathlib import Path

from constructs import Construct

from infra.base.assets import ROOT
from infra.settings.instance_types import has_local_disks
from infra.settings.pipelines import Pipeline
from infra.training.sagemaker_pipeline import SageMakerPipeline

# Tuning jobs are named `<execution>-<step, cut to fit>-<random>`, 32 characters in all, and their training jobs
# `<tuning job>-001-<random>`: artifacts of pipelines lie at `bqbpzw5k3d15-hptuning-U0H0Wl6oKU-001-c42f316a/output/`.
# Permissions see names as given or in lower case (github.com/awslabs/service-workbench-on-aws/pull/1177).
TUNED_JOBS = ("*-TrainMo*", "*-trainmo*")


class TrainingPipeline(SageMakerPipeline):
    """A pipeline from an archive to a registered model.

    Args:
        network: `VpcConfig` of its jobs, which then reach nothing; None for SageMaker's own network.
        volume_key: whether volumes of training jobs have the environment's key.
        settings: defaults of its parameters, and which of the compiled definitions it is.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        placeholders: Mapping[str, str],
        network: Mapping[str, list[str]] | None,
        volume_key: bool,
        settings: Pipeline,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            name=name,
            compiled=definition_file(spot=settings.spot, tuning=settings.tuning),
            purpose="training",
            placeholders=placeholders,
            defaults=defaults(settings),
            network=network,
            # The type is a parameter, and a definition has no condition for a member of a request.
            training_volume_key=volume_key and not has_local_disks(settings.training_instance_type),
        )
        self.run_jobs("processing")
        if settings.tuning:
            self._tune()
        else:
            self.run_jobs("training")

    def _tune(self) -> None:
        """A tuning job in place of the training job, and the training jobs that it starts."""
        operation = "HyperParameterTuningJob"
        actions = [f"sagemaker:{verb}{operation}" for verb in ("Create", "Describe", "Stop")]
        # The best of its jobs is found in their list.
        actions.append(f"sagemaker:ListTrainingJobsFor{operation}")
        self.allow(actions, "hyper-parameter-tuning-job", TUNED_JOBS)
        self.run_jobs("training", *TUNED_JOBS)


def definition_file(*, spot: bool, tuning: bool) -> Path:
    """The compiled definition that trains, or tunes, on demand or on spot capacity."""
    return ROOT / "pipeline" / f"definition{'-tuning' if tuning else ''}{'-spot' if spot else ''}.json"


def defaults(settings: Pipeline) -> dict[str, str | int | float]:
    """The settings' defaults of the parameters, and the one that follows from where a file with weights is."""
    if settings.weights_file == "none":
        return settings.defaults()
    return {**settings.defaults(), "WeightsChannelUri": f"s3://${{ArtifactBucketName}}/weights/{settings.weights_file}"}
