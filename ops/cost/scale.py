"""Time, room and cost of larger collections, from measured rates: writes the tables of docs/scale.md.

    python -m ops.cost.scale

Nothing here is measured at these sizes: a rate of docs/benchmarks is multiplied, and where it is not measured there
is no figure, but the formula or what it would have to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ops.cost import scale_facts as facts
from ops.cost.generated import Page, table
from ops.cost.prices import PriceTable
from ops.cost.scale_facts import Collection

REGION = "us-east-1"
PROCESSING, TRAINING = "AmazonSageMaker/Processing:ml.m5.xlarge", "AmazonSageMaker/Train:ml.g4dn.xlarge"
STORED = "AmazonS3/TimedStorage-ByteHrs"
INSTANCES = (1, 4, facts.MAX_INSTANCES)
KINDS = ("JPEG", "DICOM")
START = facts.DECODING_WITH_START.value - facts.DECODING.value


def decoding(images: int, instances: int, kind: str) -> float:
    """Seconds of PreprocessImages on so many instances, of two cores each."""
    jpeg = facts.DECODING.value / facts.DECODED_FILES.value
    return START + images / instances * (jpeg if kind == "JPEG" else facts.DICOM_FILE.value / facts.CORES)


def instances_within(images: int, kind: str, seconds: float) -> int:
    """The fewest instances that decode the images in so many seconds."""
    return math.ceil(images * (decoding(1, 1, kind) - START) / (seconds - START))


def growth() -> float:
    """The power of the number of images with which SplitDataset's seconds grew, from the least measured to the most."""
    (few, least, _), (many, most, _) = facts.SPLIT[0], facts.SPLIT[-1]
    return math.log(most.value / least.value) / math.log(many / few)


def splitting(images: int) -> tuple[float, float]:
    """Processor seconds and megabytes of SplitDataset: between measured numbers by a line, above them as they grew."""
    (few, least, low), *_, (many, most, high) = facts.SPLIT
    if images <= few:
        return least.value, low
    if images > many:
        return most.value * (images / many) ** growth(), high + (images - many) * (high - low) / (many - few)
    (before, began, at), (after, ended, then) = next(
        pair for pair in zip(facts.SPLIT, facts.SPLIT[1:], strict=False) if images <= pair[1][0]
    )
    share = (images - before) / (after - before)
    return began.value + share * (ended.value - began.value), at + share * (then - at)


def shards_gb(images: int) -> float:
    """Size of the images' shards."""
    return images * facts.RECORD_BYTES / 1e9


def dicom_gb(images: int) -> float:
    """Size of as many DICOM files as were measured."""
    return images * facts.DICOM_GB.value / facts.DICOM_FILES.value


def features_gb(images: int) -> tuple[float, float]:
    """Memory of the cached features of phase `head`: kept, and while they are put together."""
    kept = images * facts.VIEWS * facts.FEATURE_BYTES / 1e9
    return kept, kept * facts.FEATURE_COPIES


def training(images: int) -> tuple[float, float]:
    """Seconds on the measured machine's two cores: phase `head`, and phase `fine-tune` with all of its epochs."""
    head = images * facts.HEAD.value / facts.HEAD_IMAGES.value
    return head, images * facts.FINE_TUNE_EPOCHS * facts.TUNED_EPOCH.value / facts.TUNED_IMAGES.value


def passes() -> int:
    """Times that each image goes through the backbone: once a view, and once an epoch of fine-tuning."""
    return facts.VIEWS + facts.FINE_TUNE_EPOCHS


def needed(images: int, seconds: float) -> float:
    """Images a second that a training host has to reach to end in so many seconds."""
    return images * passes() / seconds


def limits(collection: Collection) -> list[str]:
    """Limits of the product and of SageMaker that must differ from their defaults, in the order of the steps."""
    return [*_archive_limits(collection), *_time_limits(collection.images), *_room_limits(collection.images)]


def _archive_limits(collection: Collection) -> Iterator[str]:
    files, size = facts.zip_limits()
    if collection.images > files or collection.gb * 1e9 > size:
        yield f"no zip ({files:,} files, {size / 1e9:.1f} GB): `cxr start --from`"
    elif dicom_gb(collection.images) * 1e9 > size:
        yield f"DICOM: no zip ({size / 1e9:.1f} GB): `cxr start --from`"
    if collection.images >= facts.FOLDER_OBJECTS:
        yield f"{facts.FOLDER_OBJECTS:,} objects below one prefix, a table of labels counted: nothing is left"


def _time_limits(images: int) -> Iterator[str]:
    for kind in KINDS:
        instances = instances_within(images, kind, facts.RUNTIME)
        if instances > facts.MAX_INSTANCES:
            seconds = decoding(images, facts.MAX_INSTANCES, kind)
            yield f"{kind}: `MaxRuntimeSeconds` above {_ceiling(seconds):,} with {facts.MAX_INSTANCES} instances"
        elif instances > 1:
            yield f"{kind}: `ProcessingInstanceCount` {instances}, or a longer `MaxRuntimeSeconds`"


def _room_limits(images: int) -> Iterator[str]:
    shards = shards_gb(images)
    if shards > facts.VOLUME_GB:
        least = math.ceil(shards / facts.VOLUME_GB)
        yield f"what one instance decodes, on its volume of {facts.VOLUME_GB} GB: {least} instances at least"
    if 2 * shards > facts.VOLUME_GB:
        yield f"SplitDataset's volume of {facts.VOLUME_GB} GB: `VOLUME_GB` above {_ceiling(2 * shards, 10)}"
    if shards > facts.TRAINING_DISK_GB:
        yield f"ml.g4dn.xlarge's disk of {facts.TRAINING_DISK_GB} GB"
    _, building = features_gb(images)
    if building > facts.MEMORY_GB:
        yield f"cached features: `FeatureViews` 0, or a training instance with more than {building:.0f} GB"


def tables() -> dict[str, str]:
    """The tables of the page by their names."""
    return {
        "decoding": _decoding(),
        "one instance": _one_instance(),
        "training": _training(),
        "storage": _storage(),
        "limits": table(
            ["images", "what has to change"],
            ([collection.title, "; ".join(limits(collection)) or "nothing"] for collection in facts.COLLECTIONS),
        ),
        "limits of SageMaker": table(
            ["limit", "", "source"],
            (
                [service_limit.what, f"{service_limit.value:,}", service_limit.source]
                for service_limit in facts.SERVICE_LIMITS
            ),
        ),
        "rates": _rates(),
    }


PAGE = Page("docs/scale.md", "make scale", tables)


def _decoding() -> str:
    return table(
        [
            "images",
            "files",
            *(f"{number} {'instance' if number == 1 else 'instances'}" for number in INSTANCES),
            f"USD, on {INSTANCES[0]} to {INSTANCES[-1]}",
        ],
        (
            [
                collection.title,
                kind,
                *(_time(decoding(collection.images, number, kind)) for number in INSTANCES),
                " to ".join(
                    _usd(n * decoding(collection.images, n, kind) / 3600, PROCESSING)
                    for n in INSTANCES[:: len(INSTANCES) - 1]
                ),
            ]
            for collection in facts.COLLECTIONS
            for kind in KINDS
        ),
    )


def _one_instance() -> str:
    def row(collection: Collection) -> list[str]:
        images = collection.images
        seconds, megabytes = splitting(images)
        few, many = facts.SPLIT[0][0], facts.SPLIT[-1][0]
        less, how = ("at most ", "") if images < few else ("", ", extrapolated" if images > many else "")
        ranked = images / facts.RANKED_IMAGES.value
        return [
            collection.title,
            f"{less}{_time(seconds)}, {less}{megabytes:,.0f} MB{how}",
            f"{2 * shards_gb(images):.1f} GB",
            _time(images * facts.DETECTOR.value / facts.DETECTOR_IMAGES.value),
            f"{_time(ranked * (facts.DESCRIBING.value + facts.RANKING.value))}, "
            f"{ranked * facts.DESCRIPTIONS_MB.value:,.0f} MB",
        ]

    return table(
        [
            "images",
            "SplitDataset: processor, memory",
            "its disk: shards in and out",
            "detector's fit (TrainModel)",
            "suspect labels (EvaluateModel): two cores, descriptions",
        ],
        map(row, facts.COLLECTIONS),
    )


def _training() -> str:
    def row(collection: Collection) -> list[str]:
        images = collection.images
        head, tuned = training(images)
        kept, building = features_gb(images)
        return [
            collection.title,
            f"{_time(head)} + {_time(tuned)}",
            f"{needed(images, facts.RUNTIME):,.1f}",
            f"{needed(images, facts.MAX_RUNTIME):,.2f}",
            f"{_time(images / facts.AUGMENTED.value)}",
            f"{kept:.2f} GB, {building:.2f} GB",
        ]

    return table(
        [
            "images",
            "two measured cores: head + fine-tuning",
            *(
                f"images a second that end it in {seconds:,} s ({_usd(seconds / 3600, TRAINING)} USD of ml.g4dn.xlarge)"
                for seconds in (facts.RUNTIME, facts.MAX_RUNTIME)
            ),
            "input of an epoch, two cores",
            "features: kept, while put together",
        ],
        map(row, facts.COLLECTIONS),
    )


def _storage() -> str:
    return table(
        [
            "images",
            "files",
            "decoded shards",
            "shards of the splits",
            "USD a month",
            "as DICOM files, USD a month",
            "size of the files: source",
        ],
        (
            [
                collection.title,
                f"{collection.gb:,.1f} GB",
                *([f"{shards_gb(collection.images):.1f} GB"] * 2),
                _usd(collection.gb + 2 * shards_gb(collection.images), STORED),
                f"{dicom_gb(collection.images):,.0f} GB, "
                f"{_usd(dicom_gb(collection.images) + 2 * shards_gb(collection.images), STORED)}",
                collection.source,
            ]
            for collection in facts.COLLECTIONS
        ),
    )


def _rates() -> str:
    used = {
        "PreprocessImages, JPEG": (facts.DECODED_FILES, facts.DECODING),
        "PreprocessImages, DICOM": (facts.DICOM_FILE, facts.DICOM_FILES),
        "SplitDataset": tuple(measured for _, measured, _ in facts.SPLIT),
        "the detector's fit": (facts.DETECTOR,),
        "suspect labels": (facts.RANKED_IMAGES, facts.DESCRIBING, facts.RANKING, facts.DESCRIPTIONS_MB),
        "phase `head`": (facts.HEAD_IMAGES, facts.HEAD),
        "an epoch of fine-tuning": (facts.TUNED_IMAGES, facts.TUNED_EPOCH),
        "input of training": (facts.AUGMENTED,),
    }
    return table(
        ["of", "measured as", "in docs/benchmarks"],
        (
            [of, "; ".join(rate.words.strip("|() ").replace(" | ", ", ") for rate in rates), rates[0].section]
            for of, rates in used.items()
        ),
    )


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _usd(units: float, key: str) -> str:
    price = PriceTable.load().find(REGION, key)
    return f"{units * price.usd:,.2f}" if price else "no price"


def _ceiling(value: float, step: int = 100) -> int:
    return math.ceil(value / step) * step


if __name__ == "__main__":
    PAGE.write()
