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

from model_code.contract.parameters import INPUT_ARCHIVE_URI

Request = dict[str, Any]

BASE_DIR = "/opt/ml"
INPUT_DIR = f"{BASE_DIR}/processing/input"
OUTPUT_DIR = f"{BASE_DIR}/processing/output"
LIBRARIES = "libraries"
"""Input with what the container lacks: a `.zip`, or where the environment has it all another object."""
VOLUME_GB = 30  # the Kaggle archive is 2.4 GB unpacked; its shards at 220 px are below 1 GB


def processing_request(
    module: str,
    parameters: Mapping[str, Any],
    *,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, Any],
    output_uris: Mapping[str, Any],
    role: str = "${StepRoleArn}",
) -> Request:
    """The request that runs a module of `model_code` on one instance, isolated from the network.

    Args:
        module: such as `split_dataset`.
        parameters: the pipeline's, with `ProcessingInstanceType`, a type without local disks (see below), and
            `MaxRuntimeSeconds`, after which SageMaker stops the job.
        arguments: command-line flags of the module without dashes, to their values as strings.
        inputs: S3 URI of each input, by its name (also its local directory). Each must exist: where there may be
            nothing it is another object, which the script leaves alone.
        output_uris: S3 prefix of each output, by its name (also its local directory).
        role: ARN that the job runs as.
    """
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
                "InstanceCount": 1,
                "InstanceType": parameters["ProcessingInstanceType"],
                "VolumeSizeInGB": VOLUME_GB,
                # Refused by instance types with local disks (g4dn, m5d, ...), which encrypt those in hardware:
                # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingClusterConfig.html
                "VolumeKmsKeyId": "${ArtifactKeyArn}",
            }
        },
        "NetworkConfig": {"EnableInterContainerTrafficEncryption": True, "EnableNetworkIsolation": True},
        "StoppingCondition": {"MaxRuntimeInSeconds": parameters["MaxRuntimeSeconds"]},
        "RoleArn": role,
    }


def preprocess_request(parameters: Mapping[str, Any], decoded_uri: Any) -> Request:
    """The request that turns the archive, one object, into decoded images, on several instances that share them.

    Args:
        parameters: the pipeline's. Each of its `ProcessingInstanceCount` instances needs room for the whole archive.
        decoded_uri: S3 prefix of the images.
    """
    archive_uri = parameters[INPUT_ARCHIVE_URI]
    request = processing_request(
        "preprocess",
        parameters,
        arguments={"archive-uri": archive_uri, "image-size": parameters["ImageSize"].to_string()},
        inputs={"archive": archive_uri, LIBRARIES: "${DicomLibraryUri}", "patient-key": "${PatientKeyUri}"},
        output_uris={"decoded": decoded_uri},
        # The one that may read archives and the key.
        role="${DecodeRoleArn}",
    )
    request["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = parameters["ProcessingInstanceCount"]
    return request


def connect(request: Request, *, isolated: Any = False) -> Request:
    """Let the container of a request call services, unless it is isolated."""
    # CloudFormation's own name for where the stack is: a container is told its region by nothing that is documented.
    request["Environment"]["AWS_DEFAULT_REGION"] = "${AWS::Region}"
    request["NetworkConfig"]["EnableNetworkIsolation"] = isolated
    return request


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
