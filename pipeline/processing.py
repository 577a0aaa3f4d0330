"""CreateProcessingJob requests of the pipelines' processing steps.

The jobs unpack the source archive, which arrives as one more input, and run a module of `model_code`. Those that see
images need no network: SageMaker itself copies inputs and outputs, so the containers run isolated. But an inventory's
objects are fetched by PreprocessImages itself, since inputs name keys and no versions: then a start says that it is not
isolated (docs/adr/0046). MonitorModel sees no images and calls two services.

Only PreprocessImages shares its work among instances. Every instance gets the whole archive, reads the hosts of the job
from `/opt/ml/config/resourceconfig.json`
(https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html) and decodes each N-th image;
what they write lands below one prefix. The archive is not distributed with `ShardedByS3Key`: that divides the objects
below a prefix, and the archive is one object, so one instance would get all of it and the others nothing.

SplitDataset has to see every image at once, to find duplicates and to keep a patient's images together, and
EvaluateModel computes one set of metrics: both are one instance, whatever its size. So is MonitorModel.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Request = dict[str, Any]

BASE_DIR = "/opt/ml"
INPUT_DIR = f"{BASE_DIR}/processing/input"
OUTPUT_DIR = f"{BASE_DIR}/processing/output"
LIBRARIES = "libraries"
"""Input with what the container lacks: a `.zip`, or where the environment has it all another object."""
VOLUME_GB = 30  # the Kaggle archive is 2.4 GB unpacked; its shards at 220 px are below 1 GB


def preprocess_request(
    *,
    archive_uri: Any,
    arguments: Mapping[str, Any],
    output_uris: Mapping[str, Any],
    instance_type: Any,
    instance_count: Any,
    max_runtime_seconds: Any,
    isolated: Any = True,
) -> Request:
    """The request that turns the archive into decoded images.

    Args:
        archive_uri: S3 URI of the immutable copy of the upload or of the inventory, one object.
        arguments: command-line flags of `model_code.preprocess` without dashes, to their values as strings.
        output_uris: S3 prefix of each output, by the name of the output (also its local directory).
        instance_type: a SageMaker processing instance type without local disks (see `_job`).
        instance_count: number of instances that share the images; each needs room for the whole archive.
        max_runtime_seconds: SageMaker stops the job after this time.
        isolated: whether the container has no network.
    """
    request = _job(
        module="preprocess",
        arguments={"archive-uri": archive_uri, **arguments},
        inputs={"archive": archive_uri, LIBRARIES: "${DicomLibraryUri}", "patient-key": "${PatientKeyUri}"},
        output_uris=output_uris,
        instance_type=instance_type,
        instance_count=instance_count,
        max_runtime_seconds=max_runtime_seconds,
        # The one that may read archives and the key.
        role="${DecodeRoleArn}",
    )
    if isolated is not True:
        _connect(request, isolated=isolated)
    return request


def split_request(
    *,
    archive_uri: Any,
    decoded_uri: Any,
    arguments: Mapping[str, Any],
    output_uris: Mapping[str, Any],
    instance_type: Any,
    max_runtime_seconds: Any,
) -> Request:
    """The request that turns decoded images into audited splits and a dataset report.

    Args:
        archive_uri: S3 URI of the archive, told to the script for the report; the archive itself is no input.
        decoded_uri: S3 prefix of what PreprocessImages wrote.
        arguments: command-line flags of `model_code.split_dataset` without dashes, to their values as strings.
        output_uris: S3 prefix of each output, by the name of the output (also its local directory).
        instance_type: a SageMaker processing instance type without local disks (see `_job`).
        max_runtime_seconds: SageMaker stops the job after this time.
    """
    return _job(
        module="split_dataset",
        arguments={"archive-uri": archive_uri, **arguments},
        inputs={"decoded": decoded_uri},
        output_uris=output_uris,
        instance_type=instance_type,
        max_runtime_seconds=max_runtime_seconds,
    )


def evaluate_request(
    *,
    model_uri: Any,
    training_uri: Any,
    train_uri: Any,
    validation_uri: Any,
    test_uri: Any,
    report_uri: Any,
    serving_uri: Any,
    arguments: Mapping[str, Any],
    output_uris: Mapping[str, Any],
    instance_type: Any,
    max_runtime_seconds: Any,
) -> Request:
    """The request that scores the model on the held-out test split and writes the archive that is registered.

    Args:
        model_uri: S3 URI of `model.tar.gz`, one object.
        training_uri: S3 URI of the same job's `output.tar.gz`, which has the float32 network.
        train_uri: S3 prefix of the training shards, whose labels are looked at again.
        validation_uri: S3 prefix of the validation shards, from which monitoring's reference comes.
        test_uri: S3 prefix of the test shards.
        report_uri: S3 prefix of the dataset report.
        serving_uri: S3 URI of the serving model's `model.tar.gz`. An input must exist, so while nothing serves it is
            another object, which the script leaves alone.
        arguments: command-line flags of `model_code.evaluate` without dashes, to their values as strings.
        output_uris: S3 prefix of each output, by the name of the output (also its local directory).
        instance_type: a SageMaker processing instance type without local disks (see `_job`).
        max_runtime_seconds: SageMaker stops the job after this time.
    """
    return _job(
        module="evaluate",
        arguments=arguments,
        inputs={
            "model": model_uri,
            "training": training_uri,
            "train": train_uri,
            "validation": validation_uri,
            "test": test_uri,
            "report": report_uri,
            "serving": serving_uri,
        },
        output_uris=output_uris,
        instance_type=instance_type,
        max_runtime_seconds=max_runtime_seconds,
    )


def evaluate_site_request(
    *,
    decoded_uri: Any,
    model_uri: Any,
    evaluation_uri: Any,
    report_uri: Any,
    arguments: Mapping[str, Any],
    output_uri: Any,
    instance_type: Any,
    max_runtime_seconds: Any,
) -> Request:
    """The request that scores a registered model on a site's radiographs.

    Args:
        decoded_uri: S3 prefix of what PreprocessImages wrote.
        model_uri: S3 URI of the artifact as it serves, one object.
        evaluation_uri: S3 URI of the model's own evaluation.json, one object.
        report_uri: S3 prefix of the dataset card and fingerprints of the model's own dataset. An input must exist, so
            where there are none it is another object, which the script leaves alone.
        arguments: command-line flags of `model_code.evaluate_site` without dashes, to their values as strings.
        output_uri: S3 prefix of the document, the report and the scores.
        instance_type: a SageMaker processing instance type without local disks (see `_job`).
        max_runtime_seconds: SageMaker stops the job after this time.
    """
    return _job(
        module="evaluate_site",
        arguments=arguments,
        inputs={"decoded": decoded_uri, "model": model_uri, "evaluation": evaluation_uri, "report": report_uri},
        output_uris={"site": output_uri},
        instance_type=instance_type,
        max_runtime_seconds=max_runtime_seconds,
        role="${SiteRoleArn}",
    )


def calibrate_request(
    *,
    decoded_uri: Any,
    model_uri: Any,
    training_uri: Any,
    report_uri: Any,
    serving_uri: Any,
    arguments: Mapping[str, Any],
    output_uris: Mapping[str, Any],
    instance_type: Any,
    max_runtime_seconds: Any,
) -> Request:
    """The request that calibrates a registered model on a site's radiographs and evaluates the result.

    Args:
        decoded_uri: S3 prefix of what PreprocessImages wrote.
        model_uri: S3 URI of the artifact as it serves, one object.
        training_uri: S3 URI of its training's `output.tar.gz`, which has the float32 network.
        report_uri: S3 prefix of the dataset card and fingerprints of the model's own dataset.
        serving_uri: as `evaluate_request` has it.
        arguments: command-line flags of `model_code.calibrate` without dashes, to their values as strings.
        output_uris: S3 prefix of each output, by the name of the output (also its local directory).
        instance_type: a SageMaker processing instance type without local disks (see `_job`).
        max_runtime_seconds: SageMaker stops the job after this time.
    """
    return _job(
        module="calibrate",
        arguments=arguments,
        inputs={
            "decoded": decoded_uri,
            "model": model_uri,
            "training": training_uri,
            "report": report_uri,
            "serving": serving_uri,
        },
        output_uris=output_uris,
        instance_type=instance_type,
        max_runtime_seconds=max_runtime_seconds,
        role="${CalibrationRoleArn}",
    )


def monitor_request(
    *,
    reference_uri: Any,
    arguments: Mapping[str, Any],
    output_uri: Any,
    instance_type: Any,
    max_runtime_seconds: Any,
) -> Request:
    """The request that compares kept predictions with the reference of the model that gave them.

    Its container reads DynamoDB and writes to CloudWatch, so it is not isolated from the network; there is neither an
    image nor patient data in it.

    Args:
        reference_uri: S3 URI of `reference.json`, one object. An input must exist, so while there is none it is another
            object, which the script leaves alone.
        arguments: command-line flags of `model_code.monitor` without dashes, to their values as strings.
        output_uri: S3 prefix of the report and the findings.
        instance_type: a SageMaker processing instance type without local disks (see `_job`).
        max_runtime_seconds: SageMaker stops the job after this time.
    """
    request = _job(
        module="monitor",
        arguments=arguments,
        inputs={"reference": reference_uri},
        output_uris={"monitoring": output_uri},
        instance_type=instance_type,
        max_runtime_seconds=max_runtime_seconds,
        role="${MonitorRoleArn}",
    )
    _connect(request, isolated=False)
    return request


def _connect(request: Request, *, isolated: Any) -> None:
    """Let the container call services, unless it is isolated."""
    # CloudFormation's own name for where the stack is: a container is told its region by nothing that is documented.
    request["Environment"]["AWS_DEFAULT_REGION"] = "${AWS::Region}"
    request["NetworkConfig"]["EnableNetworkIsolation"] = isolated


def _job(
    *,
    module: str,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Any],
    output_uris: Mapping[str, Any],
    instance_type: Any,
    instance_count: Any = 1,
    max_runtime_seconds: Any,
    role: str = "${StepRoleArn}",
) -> Request:
    return {
        "AppSpecification": {
            "ImageUri": "${ProcessingImageUri}",
            "ContainerEntrypoint": _entrypoint(module, libraries=LIBRARIES in inputs),
            "ContainerArguments": _flags(arguments),
        },
        "Environment": {"SAGEMAKER_BASE_DIR": BASE_DIR, "PYTHONUNBUFFERED": "1"},
        "ProcessingInputs": [_input(name, uri) for name, uri in {"code": "${SourceCodeUri}", **inputs}.items()],
        "ProcessingOutputConfig": {
            "KmsKeyId": "${ArtifactKeyArn}",
            "Outputs": [_output(name, uri) for name, uri in output_uris.items()],
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": instance_count,
                "InstanceType": instance_type,
                "VolumeSizeInGB": VOLUME_GB,
                # Refused by instance types with local disks (g4dn, m5d, ...), which encrypt those in hardware:
                # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingClusterConfig.html
                "VolumeKmsKeyId": "${ArtifactKeyArn}",
            }
        },
        "NetworkConfig": {"EnableInterContainerTrafficEncryption": True, "EnableNetworkIsolation": True},
        "StoppingCondition": {"MaxRuntimeInSeconds": max_runtime_seconds},
        "RoleArn": role,
    }


def _entrypoint(module: str, *, libraries: bool) -> list[str]:
    # The base directory is read at run time so that the same request runs outside /opt/ml. CDK names the uploaded
    # archive <hash>.gz, hence the pattern.
    unpack = 'cd "$SAGEMAKER_BASE_DIR/processing/input/code" && tar -xzf *.gz'
    if libraries:
        # Before the container's own packages. The image has no unzip.
        unpack += (
            f' && for one in ../{LIBRARIES}/*.zip; do if [ -f "$one" ]; then python3 -m zipfile -e "$one" carried && '
            'export PYTHONPATH="$PWD/carried"; fi; done'
        )
    return ["sh", "-c", f'{unpack} && exec python3 -m model_code.{module} "$@"', module]


def _flags(arguments: Mapping[str, Any]) -> Sequence[Any]:
    return [part for name, value in arguments.items() for part in (f"--{name}", value)]


def _input(name: str, uri: Any) -> Request:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"{INPUT_DIR}/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
            "S3CompressionType": "None",
        },
    }


def _output(name: str, uri: Any) -> Request:
    return {
        "OutputName": name,
        "S3Output": {"S3Uri": uri, "LocalPath": f"{OUTPUT_DIR}/{name}", "S3UploadMode": "EndOfJob"},
    }
