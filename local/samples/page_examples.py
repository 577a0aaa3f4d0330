"""The page's example radiographs: drawn chests, to try it without a file.

    python -m local.samples.page_examples          # writes lambdas/site/static/examples.json

None shows a person, and their names do not tell what is drawn: they can be read before the model answers.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from local.samples.phantom import Anatomy, Finding, draw

FILE = Path(__file__).resolve().parents[2] / "lambdas" / "site" / "static" / "examples.json"
FINDINGS = (Finding.BACTERIA, Finding.NORMAL, Finding.NORMAL, Finding.VIRUS)
_SEED, _WIDTH, _HEIGHT, _QUALITY = 1895, 560, 480, 82


def encoded(number: int) -> bytes:
    """A JPEG file of the example with this number, from 0 on."""
    rng = np.random.default_rng([_SEED, number])
    levels = draw(Anatomy.sample(rng), FINDINGS[number], rng, width=_WIDTH, height=_HEIGHT)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def document() -> str:
    """JSON: a list of `name` and `data`, a JPEG file in base64, because functions answer with text."""
    files = [encoded(number) for number in range(len(FINDINGS))]
    examples = [
        {"name": f"drawn-{number}.jpeg", "data": base64.b64encode(file).decode()}
        for number, file in enumerate(files, start=1)
    ]
    return json.dumps(examples, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
    print(f"{FILE}: {FILE.stat().st_size / 1e3:.0f} kB")
