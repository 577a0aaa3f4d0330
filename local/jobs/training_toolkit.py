"""Environment and command of a training job as the sagemaker-training toolkit makes them.

Source: aws/sagemaker-training-toolkit, environment.py, mapping.py, params.py, entry_point.py and process.py; and
aws/sagemaker-tensorflow-training-toolkit, training.py. Only script mode on one host is here. The tests run the
toolkit itself (sagemaker-training 5.1.1) on the same files, and compare.
"""

from __future__ import annotations

import builtins
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HOST = "algo-1"
_GROUP = "homogeneousCluster"
_PREFIX = "sagemaker_"
# What a tuning job adds to the hyperparameters of its training jobs, which the toolkit keeps from the script.
TUNING_METRIC = "_tuning_objective_metric"
_MODEL_DIR = "model_dir"
_PROGRAM, _SUBMITTED, _LOG_LEVEL = "sagemaker_program", "sagemaker_submit_directory", "sagemaker_container_log_level"
# The toolkit's own names (params.py, SAGEMAKER_HYPERPARAMETERS); others that begin alike are the framework's.
_KNOWN = frozenset(
    {
        *(_PROGRAM, _SUBMITTED, _LOG_LEVEL, TUNING_METRIC, "sagemaker_enable_cloudwatch_metrics", "sagemaker_region"),
        *("sagemaker_job_name", "default_user_module_name", "sagemaker_s3_output"),
    }
)
_INFO = 20
_KILLED = 137
# What the toolkit takes for the beginning of an error: built-in exceptions (`_PYTHON_ERRORS_`), no warnings, and where
# TensorFlow is installed its own (`get_tensorflow_exception_classes`), by which the failure is called then.
_TENSORFLOW_ERRORS = (
    *("AbortedError", "AlreadyExistsError", "CancelledError", "DataLossError", "DeadlineExceededError"),
    *("FailedPreconditionError", "InternalError", "InvalidArgumentError", "NotFoundError", "OpError"),
    *("OutOfRangeError", "PermissionDeniedError", "ResourceExhaustedError", "UnauthenticatedError"),
    *("UnavailableError", "UnimplementedError", "UnknownError", "XlaRuntimeError"),
)
_PYTHON_ERRORS = (
    *(name for name in vars(builtins) if name.endswith("Error") or name in {"Exception", "BaseException"}),
    "Invalid requirement",
)
_ERRORS = _PYTHON_ERRORS + _TENSORFLOW_ERRORS


def decode(hyperparameters: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split hyperparameters, each parsed as JSON where it is JSON, into the toolkit's own and the script's."""
    decoded: dict[str, Any] = {}
    for name, value in hyperparameters.items():
        try:
            decoded[name] = json.loads(value)
        except ValueError:
            decoded[name] = value
    own = {name: value for name, value in decoded.items() if name.startswith(_PREFIX) or name == TUNING_METRIC}
    return own, {name: value for name, value in decoded.items() if name not in own}


def script_hyperparameters(own: Mapping[str, Any], script: Mapping[str, Any], job_name: str) -> dict[str, Any]:
    """The script's hyperparameters as its command line gets them.

    In a training job of a tuning job the TensorFlow toolkit always adds `--model_dir`: the hyperparameter of that name
    when it lies below `/opt/ml`, else one with the job's name in it, `None/<job>/model` without one
    (`_model_dir_with_training_job` in training.py, as of pull request 403).

    Args:
        own: the toolkit's own hyperparameters, from `decode`.
        script: the script's, from `decode`.
    """
    if TUNING_METRIC not in own:
        return dict(script)
    given = script.get(_MODEL_DIR)
    keeps = isinstance(given, str) and given.startswith("/opt/ml")
    return {**script, _MODEL_DIR: given if keeps else f"{given}/{job_name}/model"}


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Command-line arguments: `--name value` in order of names, `-n value` for names of one letter."""
    args = []
    for name in sorted(hyperparameters):
        value = hyperparameters[name]
        if isinstance(value, dict):
            value = ",".join(f"{key}={item}" for key, item in sorted(value.items()))
        args += [f"--{name}" if len(name) > 1 else f"-{name}", "" if value is None else str(value)]
    return args


def command(program: str, args: Sequence[str]) -> list[str]:
    """The toolkit hands a shell the words joined by spaces, unquoted; so does this, to break where it breaks."""
    if program.endswith(".py"):
        return ["/bin/sh", "-c", " ".join([shlex.quote(sys.executable), program, *args])]
    return ["/bin/sh", "-c", " ".join([f"./{program}", *map(shlex.quote, args)])]


def configuration(request: Mapping[str, Any], hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """The files of `input/config`, by name."""
    instance_type = request["ResourceConfig"]["InstanceType"]
    group = {"instance_group_name": _GROUP, "instance_type": instance_type, "hosts": [HOST]}
    channels = {}
    for channel in request.get("InputDataConfig", ()):
        channels[channel["ChannelName"]] = {
            "TrainingInputMode": channel.get("InputMode", request["AlgorithmSpecification"]["TrainingInputMode"]),
            "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                "S3DataDistributionType", "FullyReplicated"
            ),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
    return {
        "hyperparameters.json": dict(hyperparameters),
        "inputdataconfig.json": channels,
        "resourceconfig.json": {
            "current_host": HOST,
            "current_instance_type": instance_type,
            "current_group_name": _GROUP,
            "hosts": [HOST],
            "instance_groups": [group],
            "network_interface_name": "eth0",
        },
    }


def environment(base: Path, files: Mapping[str, Any], job_name: str) -> dict[str, str]:
    """The variables the toolkit sets for the script: `SM_CHANNEL_TRAIN`, `SM_MODEL_DIR`, `SM_HPS` and so on.

    Args:
        base: the directory that stands for `/opt/ml`.
        files: files from `configuration`.
    """
    own, script = decode(files["hyperparameters.json"])
    hyperparameters = script_hyperparameters(own, script, job_name)
    paths = {name: os.fspath(base / "input" / "data" / name) for name in files["inputdataconfig.json"]}
    framework = {name: value for name, value in own.items() if name not in _KNOWN}
    both = _of_machine_and_job(base, files, own)
    training_env = {
        **both,
        "hyperparameters": hyperparameters,
        "channel_input_dirs": paths,
        "additional_framework_parameters": framework,
        "distribution_hosts": [],
        "is_master": True,
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": job_name,
        "master_hostname": HOST,
        "topology": [],
    }
    values = {
        **both,
        "hps": hyperparameters,
        "framework_params": framework,
        "channels": sorted(paths),
        "user_args": arguments(hyperparameters),
        "training_env": training_env,
        **{f"channel_{name}": path for name, path in paths.items()},
        **{f"hp_{name}": value for name, value in hyperparameters.items()},
    }
    return {f"SM_{name.upper()}": _text(value) for name, value in values.items()} | {
        "SAGEMAKER_BASE_DIR": os.fspath(base),
        "SAGEMAKER_JOB_NAME": job_name,
        "TRAINING_JOB_NAME": job_name,
        "CURRENT_HOST": HOST,
        "PYTHONPATH": os.fspath(base / "code"),
    }


def _of_machine_and_job(base: Path, files: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Values that have a variable each, and are members of `SM_TRAINING_ENV` too."""
    resources = files["resourceconfig.json"]
    return {
        "hosts": resources["hosts"],
        "network_interface_name": resources["network_interface_name"],
        "user_entry_point": own[_PROGRAM],
        "resource_config": resources,
        "input_data_config": files["inputdataconfig.json"],
        "output_data_dir": os.fspath(base / "output" / "data"),
        "current_host": HOST,
        "current_instance_type": resources["current_instance_type"],
        "current_instance_group": _GROUP,
        "current_instance_group_hosts": [HOST],
        "instance_groups": [_GROUP],
        "instance_groups_dict": {_GROUP: resources["instance_groups"][0]},
        "distribution_instance_groups": [],
        "is_hetero": False,
        "module_name": own[_PROGRAM].removesuffix(".py"),
        "log_level": own.get(_LOG_LEVEL, _INFO),
        "framework_module": "sagemaker_tensorflow_container.training:main",
        "input_dir": os.fspath(base / "input"),
        "input_config_dir": os.fspath(base / "input" / "config"),
        "output_dir": os.fspath(base / "output"),
        "num_cpus": os.cpu_count() or 1,
        "num_gpus": gpus(),
        "num_neurons": 0,
        "model_dir": os.fspath(base / "model"),
        "module_dir": own[_SUBMITTED],
        "output_intermediate_dir": os.fspath(base / "output" / "intermediate"),
    }


def failure(lines: Iterable[str], code: int, ran: str) -> str:
    """Failure reason of a job, as the toolkit writes it where the script itself left none.

    Of the script's output everything is kept from the first line on that names an exception; without such a line that
    is nothing (`watch` and `check_error` in process.py). The toolkit reads in pieces, and may break a line at the end
    of one.
    """
    kept: dict[str, None] = {}
    for line in lines:
        if kept or any(name in line for name in _ERRORS):
            kept[line.strip(" :\n")] = None
    said = "\n ".join(kept).strip()
    extra = '\nExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"' if code == _KILLED else ""
    title = next((name for name in _TENSORFLOW_ERRORS if name in said), "ExecuteUserScriptError")
    return f'{title}:\nExitCode {code}\nErrorMessage "{said}"{extra}\nCommand "{ran}"'


def gpus() -> int:
    """Number of GPUs that NVIDIA's driver lists."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    listed = subprocess.run([program, "--list-gpus"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines()) if listed.returncode == 0 else 0


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
