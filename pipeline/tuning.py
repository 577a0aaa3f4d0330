"""CreateHyperParameterTuningJob request of TrainModel where settings choose tuning.

The jobs of the search are training jobs like the one it takes the place of, each with values of its own for the
hyperparameters that have a `search` in `contract.parameters`; the others are the same for all. Its best job's artifact
is the step's model.

The definition of these jobs has no `TensorBoardOutputConfig` (API_HyperParameterTrainingJobDefinition), so their
TensorBoard events go with the machine; each job's `output.tar.gz` holds its learning curves. Checkpoints of all jobs
lie below one prefix: the script takes none that was written under other hyperparameters.

The service stops no job early: it would compare values of the objective metric along the way, and the script says this
one once, at its end.
"""

from collections.abc import Mapping
from typing import Any

from model_code.contract.parameters import HYPERPARAMETERS
from pipeline.training import Request, script_mode

# The script's last line: the AUROC on the validation split of the weights it exports.
OBJECTIVE = "validation:best_auc"


def tune_request(
    *, hyperparameters: Mapping[str, Any], job: Request, jobs: Any, parallel_jobs: Any, seed: Any
) -> Request:
    """The request that searches, and in doing so trains, exports and packs each candidate.

    Args:
        hyperparameters: command-line flags of `model_code/train.py` that all jobs share, to their values as strings:
            all but the searched ones.
        job: request members from `training.training_job`; its times are those of each job.
        jobs: number of candidates that are trained.
        parallel_jobs: number of them at once. The search learns only from those that ended.
        seed: random seed of the search, so that a repeated one proposes similar candidates.
    """
    searched = {parameter.flag: parameter.search for parameter in HYPERPARAMETERS.values() if parameter.search}
    return {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": OBJECTIVE},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel_jobs},
            "ParameterRanges": {
                "ContinuousParameterRanges": [
                    {"Name": flag, "MinValue": search.least, "MaxValue": search.greatest, "ScalingType": search.scale}
                    for flag, search in searched.items()
                    if not search.values
                ],
                "CategoricalParameterRanges": [
                    {"Name": flag, "Values": list(search.values)} for flag, search in searched.items() if search.values
                ],
            },
            "TrainingJobEarlyStoppingType": "Off",
            "RandomSeed": seed,
        },
        "TrainingJobDefinition": {"StaticHyperParameters": script_mode(hyperparameters), **job},
    }
