"""Facts behind docs/scale.md: rates that docs/benchmarks measured, sizes of collections, limits of AWS."""

from __future__ import annotations

import dataclasses
import json

from model_code.archive.inventory import MAX_OBJECTS
from model_code.contract.parameters import DATA, LIMITS, TRAINING, Parameter
from ops.base.tools import REPOSITORY
from pipeline import processing


@dataclasses.dataclass(frozen=True)
class Measured:
    """A figure of a page in docs/benchmarks.

    Attributes:
        value: the figure.
        section: heading that it stands below.
        words: what stands there, letter for letter, and holds the figure.
    """

    value: float
    section: str
    words: str


@dataclasses.dataclass(frozen=True)
class Collection:
    """A number of radiographs.

    Attributes:
        name: what people call it.
        gb: size of its files, in 10^9 bytes.
        source: where the size is from.
    """

    name: str
    images: int
    gb: float
    source: str

    @property
    def title(self) -> str:
        """The number, with the name."""
        return f"{self.images:,} ({self.name})"


# Of two cores: PreprocessImages' JPEG files, and the start of TensorFlow, which is what the whole process takes longer.
DECODED_FILES = Measured(5000, "Preprocessing", "5,000 files made of the 80 originals")
DECODING = Measured(18.1, "Preprocessing", "| PreprocessImages, two cores | 18.1 s | 276 | 22.9 s |")
DECODING_WITH_START = Measured(22.9, "Preprocessing", DECODING.words)
# Processor seconds of a DICOM file of 3,000 x 2,496 pixels, half of them JPEG 2000, beside other work.
DICOM_FILE = Measured(0.258, "An archive of DICOM files", "| this project | 286.3 s | 520.9 s | 0.258 s | 541 MB |")
DICOM_FILES = Measured(2_000, "An archive of DICOM files", "2,000 files (17.1 GB) of 3,000 x 2,496 pixels")
DICOM_GB = Measured(17.1, "An archive of DICOM files", DICOM_FILES.words)
CORES = 2

# SplitDataset: images, processor seconds and megabytes.
SPLIT = (
    (25_000, Measured(5.3, "SplitDataset", "| 25,000 | join | 5.3 | 374 MB |"), 374),
    (50_000, Measured(10.2, "SplitDataset", "| 50,000 | join | 10.2 | 447 MB |"), 447),
    (100_000, Measured(21.8, "SplitDataset", "| 100,000 | join | 21.8 | 585 MB |"), 585),
    (200_000, Measured(47.2, "SplitDataset", "| 200,000 | join | 47.2 | 871 MB |"), 871),
)
# Of two cores: the detector's fit, the ranking of suspect labels (description and five folds), which are of all images.
DETECTOR_IMAGES = Measured(4348, "The out-of-distribution detector", "the fit took 9.0 s for 4,348 training images")
DETECTOR = Measured(9.0, "The out-of-distribution detector", DETECTOR_IMAGES.words)
RANKED_IMAGES = Measured(5157, "Suspect labels", "Of 5,157 real radiographs")
DESCRIBING = Measured(12.9, "Suspect labels", "and 12.9 s at 220 px on a busy machine of two processors")
RANKING = Measured(5, "Suspect labels", "fitting and scoring five folds 5 processor seconds")
DESCRIPTIONS_MB = Measured(25, "Suspect labels", "of which the descriptions are 25 MB")

# Training on two cores with bfloat16 arithmetic: the head on features computed once, and an epoch of fine-tuning.
HEAD_IMAGES = Measured(1024, "Five epochs on a frozen backbone", "1,024 training images")
HEAD = Measured(20, "Five epochs on a frozen backbone", "| this project | 20 | 0.938 |")
TUNED_IMAGES = Measured(560, "One epoch of fine-tuning", "560 original-size files")
TUNED_EPOCH = Measured(10.6, "One epoch of fine-tuning", "| this project, mixed bfloat16 | 10.6 | 20.1 |")
AUGMENTED = Measured(2890, "Input of training", "| this project | 2,890 | 1,956 | 2,907 |")

COLLECTIONS = (
    Collection("Kermany", 5_856, 2.4, "Kaggle's archive, unpacked (`pipeline/processing.py`)"),
    Collection("ChestX-ray14", 112_120, 45, "labelsets.com/catalog/chestx-ray14, read 2026-11"),
    Collection("CheXpert", 224_316, 439, "github.com/Stomper10/CheXpert/issues/5, of 2024-05: the original files"),
    Collection(
        "no collection", 1_000_000, 1_000_000 * 45 / 112_120, "assumed: files as large as those of ChestX-ray14"
    ),
)


def zip_limits() -> tuple[int, int]:
    """Most files and most bytes of a zip archive, as all environments have them."""
    shared = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]["shared"]["archive"]
    return int(shared["max_files"]), int(shared["max_bytes"])


def default(parameter: Parameter) -> int:
    """The default of a parameter that is a number."""
    return int(parameter.default)


IMAGE_SIZE = default(TRAINING["ImageSize"])
FINE_TUNE_EPOCHS = default(TRAINING["FineTuneEpochs"])
VIEWS = default(TRAINING["FeatureViews"])
MAX_INSTANCES = int(DATA["ProcessingInstanceCount"].greatest or 1)
RUNTIME = default(LIMITS["MaxRuntimeSeconds"])
MAX_RUNTIME = int(LIMITS["MaxRuntimeSeconds"].greatest or RUNTIME)
VOLUME_GB = processing.VOLUME_GB
FOLDER_OBJECTS = MAX_OBJECTS

# Pixels of a record of a shard are a byte each; labels, names and the record's frame were 200 bytes in the benchmark
# of SplitDataset (benchmarks/data/split_dataset.py).
RECORD_BYTES = IMAGE_SIZE**2 + 200
# ResNet50V2's pooled features, float32. While they are put together there are three copies: the batches, the view and
# the views (model_code/training/frozen_features.py).
FEATURE_BYTES, FEATURE_COPIES = 2048 * 4, 3
# ml.m5.xlarge and ml.g4dn.xlarge have 16 GiB as their namesakes in EC2's table of instance types, the latter a disk of
# 125 GB that SageMaker uses in place of a volume (API_ResourceConfig, read 2026-11).
MEMORY_GB = 16 * 2**30 / 10**9
TRAINING_DISK_GB = 125


@dataclasses.dataclass(frozen=True)
class ServiceLimit:
    """A limit of SageMaker that a larger collection comes near to.

    Attributes:
        value: as many.
        source: where it is from.
        shape: of botocore's service model of SageMaker, which has the same number; "" where none has.
    """

    what: str
    value: int
    source: str
    shape: str = ""


_MODEL = "botocore 1.43's service model"
SERVICE_LIMITS = (
    ServiceLimit(
        "seconds of a processing job",
        777_600,
        "API_ProcessingStoppingCondition, read 2026-11",
        "ProcessingMaxRuntimeInSeconds",
    ),
    ServiceLimit("instances of a processing job", 100, _MODEL, "ProcessingInstanceCount"),
    ServiceLimit("GB of a processing instance's volume", 16_384, _MODEL, "ProcessingVolumeSizeInGB"),
    ServiceLimit(
        "GB of it before a quota is raised",
        1_024,
        "an account's refusal, github.com/aws/sagemaker-python-sdk/issues/4939; above 600 GB there, an error without a "
        "word",
    ),
    ServiceLimit(
        "seconds of a training job before a quota is raised",
        432_000,
        "SageMaker's developer guide, feature-store-feature-processor-quotas, read 2026-11",
    ),
)
