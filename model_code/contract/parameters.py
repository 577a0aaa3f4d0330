"""Table of the pipelines' parameters: name, default, range or choices, and a sentence.

What the definitions declare, the flags of the jobs, the settings that give defaults, the checks of all of them and the
pages of documentation come from here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from model_code.contract import backbones

Value = str | int | float

# No default: a start names its data.
INPUT_ARCHIVE_URI = "InputArchiveUri"
INPUT_ARCHIVE_SENTENCE = "the archive: an immutable copy, or an inventory, below `datasets/`; required"
NETWORK_ISOLATION = "NetworkIsolation"

_INSTANCE_TYPE = r"^ml\.[a-z][a-z0-9-]*\.[a-z0-9]+$"


@dataclass(frozen=True)
class Search:
    """Search range of a hyperparameter in a tuning job: between two numbers, or among some texts.

    Attributes:
        least, greatest: the numbers as the service takes them, texts.
        scale: Linear or Logarithmic.
        values: the texts.
    """

    least: str = ""
    greatest: str = ""
    scale: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gate:
    """Quality gate: the metric `metrics.METRICS[metric]` has to be at least the limit, or at most.

    Attributes:
        title: name in reports and messages.
        metric: name in that table.
        at_least: False where the limit is the greatest value.
        judged: name of the metric of which the limit is asked, where it is not the one that is shown.
    """

    title: str
    metric: str
    at_least: bool = True
    judged: str = ""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a pipeline, of its default's type.

    Attributes:
        name: name in the definition; the flag of a job is this in kebab case, the setting in snake case.
        default: unless settings or a start say otherwise.
        sentence: description in docs/settings.md, in Markdown.
        least: smallest accepted number.
        above_zero: smallest accepted number besides 0, which stands for none.
        greatest: likewise.
        choices: accepted texts; any where there are none.
        pattern: regular expression of a text.
        search: what a tuning job looks at; then it is no parameter of the definitions that tune.
        gate: quality gate whose limit it is.
        setting: whether settings give its default.
    """

    name: str
    default: Value
    sentence: str
    least: float | None = None
    above_zero: float = 0
    greatest: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    search: Search | None = None
    gate: Gate | None = None
    setting: bool = True

    @property
    def flag(self) -> str:
        """Name of the hyperparameter and, after two dashes, of the flag: `FineTuneFrom` is `fine-tune-from`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", self.name).lower()

    @property
    def field(self) -> str:
        """Name of the setting, and of what a job reads the flag into."""
        return self.flag.replace("-", "_")

    def problem(self, value: Value) -> str | None:
        """Sentence why a value is not accepted; None where it is."""
        if isinstance(value, str):
            if self.choices and value not in self.choices:
                return f"{self.name} must be one of {', '.join(self.choices)}, not {value!r}."
            if self.pattern and not re.search(self.pattern, value):
                return f"{self.name} must match {self.pattern}, which {value!r} does not."
            return None
        low, high = self.above_zero or self.least, self.greatest
        accepted = math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)
        if accepted or (self.above_zero and value == 0):
            return None
        if low is not None and high is not None:
            none = "0, or " if self.above_zero else ""
            return f"{self.name} must be {none}from {low:.15g} to {high:.15g}, not {value:.15g}."
        bound = f"at least {low:.15g}" if high is None else f"at most {high:.15g}"
        return f"{self.name} must be {bound}, not {value:.15g}."


def by_name(*parameters: Parameter) -> Mapping[str, Parameter]:
    """A table of parameters."""
    return {parameter.name: parameter for parameter in parameters}


def share(name: str, default: float, sentence: str, *, gate: Gate | None = None) -> Parameter:
    """A parameter from 0 to 1."""
    return Parameter(name, default, sentence, least=0, greatest=1, gate=gate)


def _predictive_value(name: str, label: str, kind: str) -> Parameter:
    return Parameter(
        name,
        0.95,
        f"{kind} predictive value to guarantee: answers {label} of which the validation patients do not show it are "
        "indeterminate; where they are too few to show it of any, the model says so",
        least=0.5,
        greatest=0.999,
    )


DATA = by_name(
    Parameter(
        "ProcessingInstanceType",
        "ml.m5.xlarge",
        "instance of PreprocessImages, SplitDataset and EvaluateModel",
        pattern=_INSTANCE_TYPE,
    ),
    Parameter(
        "ProcessingInstanceCount",
        1,
        "instances of PreprocessImages, which share the images; each downloads zip archives whole. Other steps: one",
        least=1,
        greatest=20,
    ),
    Parameter(NETWORK_ISOLATION, True, "no network for PreprocessImages; `false` for an inventory", setting=False),
    Parameter(
        "TrainingInstanceType",
        "ml.g4dn.xlarge",
        "instance of TrainModel; choose the image to match",
        pattern=_INSTANCE_TYPE,
    ),
    Parameter("TrainingImageUri", "${TrainingImageUri}", "container of TrainModel", setting=False),
    # A channel cannot be left out or empty. The default is an object that is there anyway and holds no weights.
    Parameter(
        "WeightsChannelUri",
        "${SourceCodeUri}",
        "S3 object or prefix that SageMaker copies into the training job; a no-top weights file in it is what "
        "`imagenet` takes instead of downloading, checked against the checksum that Keras publishes",
        setting=False,
    ),
    # ResNet50V2 takes no image below 32.
    Parameter("ImageSize", 220, "edge of the square input, in pixels", least=32, greatest=1024),
    Parameter(
        "ValidationFraction",
        0.1,
        "share of the training patients held out, where the archive brings no usable validation split",
        least=0.01,
        greatest=0.4,
    ),
)
# Each is a hyperparameter of `model_code/train.py`.
HYPERPARAMETERS = by_name(
    Parameter(
        "Backbone",
        backbones.DEFAULT,
        f"{', '.join(f'`{name}`' for name in [*backbones.BACKBONES][:-1])} or `{[*backbones.BACKBONES][-1]}`",
        choices=tuple(backbones.BACKBONES),
    ),
    Parameter(
        "BackboneWeights",
        "imagenet",
        "`imagenet`, `none` (from scratch) or the S3 URI of a no-top weights file of the backbone, which may end in "
        "`#sha256=` and its checksum",
        pattern=r"^(imagenet|none|s3://[a-z0-9.-]+/.+)$",
    ),
    Parameter(
        "WarmStartFrom",
        "none",
        "`none`, or the ARN of an approved model package of this environment whose weights to begin with",
        pattern=r"^(none|arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:model-package/.+/\d+)$",
    ),
    Parameter(
        "Epochs", 5,
        "most epochs of the first phase: the head on the frozen backbone, or everything where there are no weights to "
        "begin with",
        least=1, greatest=1000,
    ),
    Parameter(
        "FineTuneEpochs", 5, "most epochs of the second phase, at the lower rate", least=0,
        greatest=1000,
    ),
    Parameter(
        "LearningRate", 1e-3,
        "peak rate of the first phase; not with `pipeline.tuning`",
        least=1e-8,
        greatest=1,
        search=Search("0.0001", "0.01", "Logarithmic"),  # rates matter by their ratio
    ),
    Parameter(
        "FineTuneLearningRate", 1e-4,
        "peak rate of the second phase; not with `pipeline.tuning`",
        least=1e-8,
        greatest=1,
        search=Search("0.00001", "0.001", "Logarithmic"),
    ),
    Parameter(
        "FineTuneFrom",
        "last-stage",
        "what of the backbone the second phase trains: `none`, `last-stage`, `last-two-stages`, `all`, or from the "
        "layer of this name on; without meaning where there are no weights to begin with; not with `pipeline.tuning`",
        pattern=r"^[A-Za-z0-9_-]+$",
        search=Search(values=("none", *backbones.FINE_TUNE_STAGES)),
    ),
    Parameter(
        "Patience", 5,
        "early stopping: epochs without a better validation AUROC after which a phase ends",
        least=1, greatest=1000,
    ),
    # Batch normalisation has no variance of one image.
    Parameter("BatchSize", 64, "images a step", least=2, greatest=4096),
    Parameter(
        "Dropout", 0.5,
        "share of the head's units left out while training; not with `pipeline.tuning`",
        least=0,
        greatest=0.9,
        search=Search("0.2", "0.6", "Linear"),
    ),
    Parameter(
        "LabelSmoothing", 0.0,
        "how far the labels 0 and 1 are moved towards each other, from 0",
        least=0, greatest=0.5,
    ),
    Parameter(
        "ClassWeights",
        "balanced",
        "`balanced` (each class counts the same in total) or `none`",
        choices=("balanced", "none"),
    ),
    Parameter(
        "EmaMomentum", 0.0,
        "momentum of the moving average of the weights that is evaluated and exported; 0 for none",
        least=0, greatest=0.9999,
    ),
    Parameter(
        "FeatureViews", 1,
        "with a frozen backbone: augmented views of each image whose features are computed once and trained on; 0 "
        "computes them in every epoch",
        least=0, greatest=100,
    ),
    share("HorizontalFlip", 0.5, "augmentation: probability that an image is mirrored"),
    Parameter("ZoomRange", 0.3, "augmentation: zoom between 1 minus and 1 plus this", least=0, greatest=0.9),
    Parameter(
        "RotationDegrees", 5.0, "augmentation: rotation by at most this to either side", least=0, greatest=180
    ),
    Parameter(
        "ShiftRange",
        0.05,
        "augmentation: shift by at most this share of the edge, in each direction",
        least=0, greatest=0.5,
    ),
    Parameter("ContrastRange", 0.1, "augmentation: contrast between 1 minus and 1 plus this", least=0, greatest=0.9),
    Parameter(
        "Precision",
        "auto",
        "`auto` (what is measured to be faster on the machine at hand; the log says why), `float32`, `mixed_float16` "
        "or `mixed_bfloat16`",
        choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"),
    ),
    Parameter("Xla", "off", "`on` or `off`: compile the training step", choices=("off", "on")),
    Parameter(
        "ServingEngine",
        "litert",
        "what computes the model where it is served: `litert` (for endpoints and batch jobs on processors; weights of "
        "eight bits where at least 299 validation images show that they are close enough, with sixteen to fall back "
        "to, else of sixteen; the agreement with the float32 network is a gate) or `tensorflow` (TensorFlow Serving; "
        "the only one for GPUs)",
        choices=("tensorflow", "litert"),
    ),
    _predictive_value("GuaranteedNpv", "NORMAL", "negative"),
    _predictive_value("GuaranteedPpv", "PNEUMONIA", "positive"),
    Parameter(
        "TargetPrevalence", 0.0,
        "share of PNEUMONIA among those who will be asked about, which probabilities and figures are for; 0 for that "
        "of the images",
        least=0, above_zero=0.001, greatest=0.99,
    ),
    Parameter(
        "Seed", 20180222, "of the split, the initial weights, the augmentation and the search", least=0,
        greatest=2**31 - 1,
    ),
)  # fmt: skip
EVALUATION = by_name(
    share("MinAuroc", 0.95, "gate: area under the ROC curve on the test split, at least", gate=Gate("AUROC", "auroc")),
    share(
        "MinSensitivity",
        0.9,
        "gate: sensitivity at the chosen threshold, at least",
        gate=Gate("Sensitivity", "sensitivity"),
    ),
    share(
        "MinSpecificity",
        0.75,
        "gate: specificity at the chosen threshold, at least",
        gate=Gate("Specificity", "specificity"),
    ),
    share(
        "MaxCalibrationError",
        0.1,
        "gate: expected calibration error, at most; an error that perfect probabilities would show on so small a test "
        "split passes",
        gate=Gate("Calibration error", "calibration_error", at_least=False, judged="calibration_error_beyond_chance"),
    ),
    share(
        "MinSubgroupSensitivity",
        0.7,
        "gate: lower end of the 95 % interval of the sensitivity in the worst subgroup, at least; subgroups with fewer "
        "than 30 PNEUMONIA images of 20 patients are not judged, and where all have fewer, the gate says so",
        gate=Gate("Sensitivity of the worst subgroup", "subgroup_sensitivity"),
    ),
    Parameter(
        "ServingComparison",
        "gate",
        "`gate`: a model that is significantly worse than the one the endpoint serves is not registered; `report`: the "
        "comparison is only reported",
        choices=("gate", "report"),
    ),
)
GATES: Mapping[str, Gate] = {name: parameter.gate for name, parameter in EVALUATION.items() if parameter.gate}
"""What each limit judges, by the limit's name."""
LIMITS = by_name(
    # A training job's quota, 5 days (docs/scale.md); a processing job may run 9 (botocore 1.43's model, read 2026-11).
    Parameter("MaxRuntimeSeconds", 7200, "longest run of each job", least=600, greatest=432_000),
)
SPOT = by_name(
    Parameter(
        "MaxWaitSeconds", 14400, "with `pipeline.spot` only: longest wait for capacity and run together", least=600
    ),
)
# A tuning job has at most 750 training jobs and 100 at once, unless the account's quotas are raised
# (https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html).
TUNING = by_name(
    Parameter("TuningJobs", 8, "with `pipeline.tuning` only: training jobs of the search", least=1, greatest=750),
    Parameter(
        "TuningParallelJobs",
        2,
        "with `pipeline.tuning` only: how many of them at once; the search learns from those that have ended",
        least=1,
        greatest=100,
    ),
)
# Of the monitoring pipeline, which shares none with the others.
MONITORING = by_name(
    Parameter("Days", 7, "predictions of so many days are compared", least=1, greatest=365),
    Parameter("MinPredictions", 200, "fewer predictions than these are counted, not compared", least=20),
    Parameter(
        "PsiLimit",
        0.2,
        "population stability index from which a significant difference is called drift",
        least=0.001,
        greatest=10,
    ),
    Parameter("ProcessingInstanceType", "ml.m5.large", "instance of MonitorModel", pattern=_INSTANCE_TYPE),
    Parameter("MaxRuntimeSeconds", 1800, "longest run of MonitorModel", least=600, greatest=86_400),
)

TRAINING: Mapping[str, Parameter] = {**DATA, **HYPERPARAMETERS, **EVALUATION, **TUNING, **LIMITS, **SPOT}
"""Every parameter of the training pipeline's definitions."""


def problems(values: Mapping[str, Value], parameters: Iterable[Parameter]) -> list[str]:
    """A sentence for each value that its parameter does not accept.

    Args:
        values: by the parameters' fields; others are passed over.
    """
    found = (parameter.problem(values[parameter.field]) for parameter in parameters if parameter.field in values)
    return [sentence for sentence in found if sentence]
