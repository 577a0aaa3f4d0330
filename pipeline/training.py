"""CreateTrainingJob request of TrainModel, and what the training jobs of a tuning job have in common with it.

The job runs `model_code/train.py` in script mode. Found in the sources of the two toolkits inside the TensorFlow
training image (github.com/aws/sagemaker-training-toolkit and github.com/aws/sagemaker-tensorflow-training-toolkit):

- `files.download_and_extract` unpacks `sagemaker_submit_directory`, a gzipped tar on S3, into `/opt/ml/code`.
- `sagemaker_program` ends in `.py` and the archive's root holds no `setup.py`, so `entry_point_type` takes it for a
  program: `python model_code/train.py <flags>` with `/opt/ml/code` as working directory (`process.ProcessRunner`).
- `entry_point.install` puts `/opt/ml/code` on `sys.path` and `environment.write_env_vars` exports `sys.path` as
  `PYTHONPATH`, so `from model_code...` works although Python itself adds only the script's own folder.
- `environment.read_hyperparameters` decodes each value as JSON and keeps the text where that fails ("imagenet");
  `mapping.to_cmd_args` writes every hyperparameter whose name does not begin with `sagemaker_` as `--<name> <value>`,
  sorted by name, hyphens untouched. `_tuning_objective_metric`, which a tuning job adds, is left out too (`params`).
- `files.write_failure_file` leaves an existing `/opt/ml/output/failure` alone: the script's own sentence becomes the
  job's FailureReason.

The toolkit downloads the source from S3 inside the container, and `imagenet` weights come from the internet, so this
job cannot be network-isolated; the processing jobs are.

What the script writes to `/opt/ml/checkpoints` is copied to S3 while it runs and is there again when a job with the
same prefix starts (https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html). The prefix belongs to the
execution: a job that lost its spot machine, one that a retry policy starts again, and one of a resumed execution go on
where the last one was.

There is no `VolumeKmsKeyId`: the default ml.g4dn.xlarge has local disks, encrypted by its own hardware, and the service
refuses a key for them (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html). Artifacts
are encrypted with the bucket's key.

The instance count is not a parameter: the script trains on one instance, on all of its GPUs.
"""

from collections.abc import Mapping
from typing import Any

Request = dict[str, Any]

VOLUME_GB = 30  # below the 125 GB of ml.g4dn.xlarge's disk, which the service uses instead of a volume

# Where the service looks unless told otherwise; said, because the script writes there whatever the default is.
CHECKPOINT_DIR = "/opt/ml/checkpoints"
TENSORBOARD_DIR = "/opt/ml/output/tensorboard"

# The training script prints `epoch=3 phase=head loss=0.1234 val_loss=0.1234 val_auc=0.9876` after each epoch, and
# `best_val_auc=0.9876` at its end. A space goes before the names that another one ends with.
_NUMBER = r"([0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)"
METRIC_DEFINITIONS = [
    {"Name": "train:loss", "Regex": rf"\sloss={_NUMBER}"},
    {"Name": "validation:loss", "Regex": rf"\sval_loss={_NUMBER}"},
    {"Name": "validation:auc", "Regex": rf"\sval_auc={_NUMBER}"},
    {"Name": "validation:best_auc", "Regex": rf"best_val_auc={_NUMBER}"},
]


def train_request(*, hyperparameters: Mapping[str, Any], tensorboard_uri: Any, job: Request) -> Request:
    """The request that trains, exports and packs the model.

    Args:
        hyperparameters: command-line flags of `model_code/train.py` without dashes, to their values as strings.
        tensorboard_uri: S3 prefix; `<job name>/tensorboard-output/` is written below it while the job runs.
        job: request members from `training_job`.
    """
    return {
        **job,
        "HyperParameters": script_mode(hyperparameters),
        "TensorBoardOutputConfig": {"S3OutputPath": tensorboard_uri, "LocalPath": TENSORBOARD_DIR},
    }


def training_job(
    *,
    image_uri: Any,
    channels: Mapping[str, Any],
    output_uri: Any,
    checkpoint_uri: Any,
    instance_type: Any,
    max_runtime_seconds: Any,
    max_wait_seconds: Any | None,
) -> Request:
    """Request of a training job but for its hyperparameters.

    Args:
        image_uri: a TensorFlow training image with SageMaker's training toolkit, GPU or CPU as `instance_type` needs.
        channels: S3 prefix of each channel by name; the script finds them as SM_CHANNEL_<NAME>.
        output_uri: S3 prefix; `<job name>/output/model.tar.gz` and `output.tar.gz` are written below it.
        checkpoint_uri: S3 prefix of the checkpoints, read when the job starts and written while it runs.
        instance_type: a SageMaker training instance type.
        max_runtime_seconds: SageMaker stops the job after this time.
        max_wait_seconds: train on managed spot capacity, waiting and running this long at most, not less than
            `max_runtime_seconds`; None trains on demand.
    """
    stopping_condition = {"MaxRuntimeInSeconds": max_runtime_seconds}
    spot: Request = {}
    if max_wait_seconds is not None:
        # Refused by the service unless both are there.
        stopping_condition["MaxWaitTimeInSeconds"] = max_wait_seconds
        spot["EnableManagedSpotTraining"] = True
    return {
        "AlgorithmSpecification": {
            "TrainingImage": image_uri,
            "TrainingInputMode": "File",
            "MetricDefinitions": METRIC_DEFINITIONS,
        },
        "Environment": {"PYTHONUNBUFFERED": "1", "SOURCE_REVISION": "${SourceRevision}"},
        "InputDataConfig": [_channel(name, uri) for name, uri in channels.items()],
        "OutputDataConfig": {"S3OutputPath": output_uri, "KmsKeyId": "${ArtifactKeyArn}"},
        "CheckpointConfig": {"S3Uri": checkpoint_uri, "LocalPath": CHECKPOINT_DIR},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": instance_type, "VolumeSizeInGB": VOLUME_GB},
        "StoppingCondition": stopping_condition,
        **spot,
        "EnableInterContainerTrafficEncryption": True,
        "EnableNetworkIsolation": False,
        "RoleArn": "${StepRoleArn}",
    }


def script_mode(hyperparameters: Mapping[str, Any]) -> Request:
    """Hyperparameters as the toolkit wants them: which program, from where, and the program's own."""
    return {
        "sagemaker_program": "model_code/train.py",
        "sagemaker_submit_directory": "${SourceCodeUri}",
        **hyperparameters,
    }


def _channel(name: str, uri: Any) -> Request:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
        },
        "InputMode": "File",
    }
