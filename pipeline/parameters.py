"""The pipeline's parameters: what may be another for one execution, and what it is unless a start says so.

A deployment lays its settings' defaults over these (`infra/training/training_pipeline.py`). An `Integer`, `Float` or
`String` parameter is told from its default.
"""

from collections.abc import Mapping

from pipeline.tuning import SEARCHED

Value = str | int | float

# No default: a start names its data.
INPUT_ARCHIVE_URI = "InputArchiveUri"

DATA: Mapping[str, Value] = {
    "ProcessingInstanceType": "ml.m5.xlarge",
    "ProcessingInstanceCount": 1,
    "TrainingInstanceType": "ml.g4dn.xlarge",
    "TrainingImageUri": "${TrainingImageUri}",
    # A channel cannot be left out or empty. The default is an object that is there anyway and holds no weights.
    "WeightsChannelUri": "${SourceCodeUri}",
    "ImageSize": 220,
    "ValidationFraction": 0.1,
}
# Each is a hyperparameter of `model_code/train.py`, whose flag is this name in kebab case.
HYPERPARAMETERS: Mapping[str, Value] = {
    "Backbone": "ResNet50V2",
    "BackboneWeights": "imagenet",
    "WarmStartFrom": "none",
    "Epochs": 5,
    "FineTuneEpochs": 5,
    "LearningRate": 1e-3,
    "FineTuneLearningRate": 1e-4,
    "FineTuneFrom": "last-stage",
    "Patience": 5,
    "BatchSize": 64,
    "Dropout": 0.5,
    "LabelSmoothing": 0.0,
    "ClassWeights": "balanced",
    "EmaMomentum": 0.0,
    "FeatureViews": 1,
    "HorizontalFlip": 0.5,
    "ZoomRange": 0.3,
    "RotationDegrees": 5.0,
    "ShiftRange": 0.05,
    "ContrastRange": 0.1,
    "Precision": "auto",
    "Xla": "off",
    "ServingEngine": "litert",
    "Seed": 20180222,
}
EVALUATION: Mapping[str, Value] = {
    "MinAuroc": 0.95,
    "MinSensitivity": 0.9,
    "MinSpecificity": 0.75,
    "MaxCalibrationError": 0.1,
    "ServingComparison": "gate",
}
LIMITS: Mapping[str, Value] = {"MaxRuntimeSeconds": 7200}
SPOT: Mapping[str, Value] = {"MaxWaitSeconds": 14400}
TUNING: Mapping[str, Value] = {"TuningJobs": 8, "TuningParallelJobs": 2}

# Of the monitoring pipeline, which shares none with the others.
MONITORING: Mapping[str, Value] = {
    "Days": 7,
    "MinPredictions": 200,
    "PsiLimit": 0.2,
    "ProcessingInstanceType": "ml.m5.large",
    "MaxRuntimeSeconds": 1800,
}

# A start with another value is refused, before anything has run.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "Backbone": ("ResNet50V2", "EfficientNetV2B0", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"),
    "ClassWeights": ("balanced", "none"),
    "Precision": ("auto", "float32", "mixed_float16", "mixed_bfloat16"),
    "Xla": ("off", "on"),
    "ServingEngine": ("tensorflow", "litert"),
    "ServingComparison": ("gate", "report"),
}


def flag(parameter: str) -> str:
    """The name of a hyperparameter: `FineTuneFrom` is `fine-tune-from`."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in parameter).lstrip("-")


def hyperparameters(*, tuning: bool) -> dict[str, Value]:
    """Those of the training script that are parameters: all, or all but what the tuning job searches."""
    return {name: default for name, default in HYPERPARAMETERS.items() if not (tuning and flag(name) in SEARCHED)}


def defaults(*, spot: bool, tuning: bool) -> dict[str, Value]:
    """Every parameter with a default of one of the four definitions, in the order they are declared.

    Args:
        spot: whether training uses managed spot capacity.
        tuning: whether training searches hyperparameters.
    """
    return {
        **DATA,
        **hyperparameters(tuning=tuning),
        **EVALUATION,
        **(TUNING if tuning else {}),
        **LIMITS,
        **(SPOT if spot else {}),
    }
