"""Environment and command of a training job as the sagemaker-training toolkit makes them.

Source: aws/sagemaker-training-toolkit, environment.py, mapping.py, entry_point.py and process.py; and
aws/sagemaker-tensorflow-training-toolkit, training.py. Only script mode on one host is here.
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
_INFO = 20
# The toolkit adds those of TensorFlow and MPI to Python's own.
_EXCEPTIONS = tuple(
    name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, BaseException)
)


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
        job_name: name of the training job.
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
        job_name: name of the training job.
    """
    own, script = decode(files["hyperparameters.json"])
    hyperparameters = script_hyperparameters(own, script, job_name)
    resources, channels = files["resourceconfig.json"], files["inputdataconfig.json"]
    paths = {name: os.fspath(base / "input" / "data" / name) for name in channels}
    program = own["sagemaker_program"]
    values: dict[str, Any] = {
        "hosts": resources["hosts"],
        "network_interface_name": resources["network_interface_name"],
        "hps": hyperparameters,
        "user_entry_point": program,
        "framework_params": {
            k: v for k, v in own.items() if k not in {"sagemaker_program", "sagemaker_submit_directory", TUNING_METRIC}
        },
        "resource_config": resources,
        "input_data_config": channels,
        "output_data_dir": os.fspath(base / "output" / "data"),
        "channels": sorted(channels),
        "current_host": HOST,
        "current_instance_type": resources["current_instance_type"],
        "current_instance_group": _GROUP,
        "current_instance_group_hosts": [HOST],
        "instance_groups": [_GROUP],
        "instance_groups_dict": {_GROUP: resources["instance_groups"][0]},
        "distribution_instance_groups": [],
        "is_hetero": False,
        "module_name": program.removesuffix(".py"),
        "log_level": _INFO,
        "framework_module": "sagemaker_tensorflow_container.training:main",
        "input_dir": os.fspath(base / "input"),
        "input_config_dir": os.fspath(base / "input" / "config"),
        "output_dir": os.fspath(base / "output"),
        "num_cpus": os.cpu_count() or 1,
        "num_gpus": gpus(),
        "model_dir": os.fspath(base / "model"),
        "module_dir": own["sagemaker_submit_directory"],
        "user_args": arguments(hyperparameters),
        "output_intermediate_dir": os.fspath(base / "output" / "intermediate"),
        "job_name": job_name,
    }
    values["training_env"] = {
        **values,
        "hyperparameters": hyperparameters,
        "channel_input_dirs": paths,
        "additional_framework_parameters": values["framework_params"],
    }
    values |= {f"channel_{name}": path for name, path in paths.items()}
    values |= {f"hp_{name}": value for name, value in hyperparameters.items()}
    return {f"SM_{name.upper()}": _text(value) for name, value in values.items()} | {
        "SAGEMAKER_BASE_DIR": os.fspath(base),
        "SAGEMAKER_JOB_NAME": job_name,
        "TRAINING_JOB_NAME": job_name,
        "CURRENT_HOST": HOST,
        "PYTHONPATH": os.fspath(base / "code"),
    }


def error_message(lines: Iterable[str]) -> str:
    """Error message that the toolkit keeps of a script's output: all from the first line that names an exception on.

    Without such a line that is nothing (sagemaker-training 5.1.1, process.py; read 2026-11).
    """
    kept: dict[str, None] = {}
    for line in lines:
        if kept or any(name in line for name in _EXCEPTIONS):
            kept[line.strip(" :\n")] = None
    return "\n".join(kept).strip()


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
