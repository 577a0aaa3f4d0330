"""The benchmark of batches measures neither throttling nor quality, and compares answers of the same files."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.operation import batch
from ops.api.batch import Score, table

SETTINGS = json.loads((Path(__file__).parents[2] / "cdk.json").read_text(encoding="utf-8"))


def test_the_stack_neither_throttles_nor_refuses_its_model() -> None:
    changed = batch.settings_of(SETTINGS)["context"]["environments"]["laptop"]
    ours = SETTINGS["context"]["environments"]["laptop"]
    assert changed["api"]["requests_per_second"] > 10 * ours["api"]["requests_per_second"]
    assert changed["pipeline"]["min_auroc"] == 0
    assert changed["endpoint"] == ours["endpoint"], "what serves is as it is"
    assert changed["pipeline"]["image_size"] == ours["pipeline"]["image_size"]


def test_every_file_has_a_name_before_one_has_two() -> None:
    files = [Path("a.jpeg"), Path("b.png")]
    assert batch.named(files, 3) == {"00000.jpeg": files[0], "00001.png": files[1], "00002.jpeg": files[0]}


def test_the_table_of_a_batch_is_read_by_the_files_names() -> None:
    """Both commands write the same columns; a refused file has no probability to compare."""
    model = {"threshold": 0.5, "package_arn": "arn/1"}
    answer = {"predictions": [{"probability": 0.25, "label": "NORMAL"}], "model": model}
    assert batch.probabilities(table([Score("x/1.jpeg", answer), Score("x/2.jpeg", error="refused")])) == {
        "1.jpeg": 0.25
    }
