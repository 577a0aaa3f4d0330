"""The two steps that make a data set, run one after the other over one job directory."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from model_code import split_dataset
from tests.model_code.conftest import SIZE

URI = "s3://data/datasets/" + "0f" * 32 + "/archive.zip"


def arguments(**values: Any) -> list[str]:
    return [text for name, value in values.items() for text in ("--" + name.replace("_", "-"), str(value))]


def decode(base: Path, *, hosts: int = 1, **changes: Any) -> Path:
    """PreprocessImages on so many hosts, whose outputs SageMaker puts into one folder, which is the result."""
    from model_code import preprocess

    output = base / "processing" / "output" / "decoded"
    shutil.rmtree(output, ignore_errors=True)
    names = [f"algo-{number}" for number in range(1, hosts + 1)]
    for name in names:
        (base / "config").mkdir(exist_ok=True)
        config = {"current_host": name, "hosts": names[::-1]}
        (base / "config" / "resourceconfig.json").write_text(json.dumps(config))
        # TensorFlow has computed here, and a process with its threads cannot be forked for several.
        with mock.patch.object(preprocess.job, "processors", return_value=1):
            preprocess.main(arguments(**{"archive_uri": URI, "image_size": SIZE} | changes))
    return output


def split(base: Path, **changes: Any) -> dict[str, Any]:
    """SplitDataset on what `decode` left; the dataset card."""
    inputs = base / "processing" / "input" / "decoded"
    if not inputs.exists():
        inputs.symlink_to(base / "processing" / "output" / "decoded")
    values = {"archive_uri": URI, "image_size": SIZE, "validation_fraction": 0.2, "seed": 1}
    split_dataset.main(arguments(**values | changes))
    return dict(json.loads((base / "processing" / "output" / "report" / "dataset.json").read_text()))


def chest(number: int, *, size: tuple[int, int] = (320, 260), quality: int = 90, format_: str = "JPEG") -> bytes:
    """A smooth image of its own for each number, in any size and compression."""
    coarse = np.random.default_rng(number).integers(0, 256, (9, 9), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((640, 520), Image.Resampling.BICUBIC).resize(size)
    buffer = io.BytesIO()
    image.save(buffer, format_, **({"quality": quality} if format_ == "JPEG" else {}))
    return buffer.getvalue()
