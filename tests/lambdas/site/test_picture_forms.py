"""PNG and JPEG files as the page's own viewer draws them, held against the grey levels that the model sees."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.model_code.support.picture_files import (
    EXIF_FORMS,
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    TURNING_XMP,
    app1,
    chunk,
    coloured,
    exif,
    jpeg,
    mpo,
    png,
    quantised,
    with_alpha,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global pixels_from_bytes
    from model_code.serving.engine_decoding import pixels_from_bytes


SIZE = 64
"""Of square files, which the model sees without resizing."""
DRAWN = """async (files) => {
    const { NotShown, ofFile, shade } = await import("./pixels.js");
    const found = {};
    for (const [name, [type, data]] of Object.entries(files)) {
        try {
            const file = new File([Uint8Array.from(atob(data), (one) => one.charCodeAt(0))], name);
            const pixels = await ofFile(file, type);
            const image = new ImageData(pixels.width, pixels.height);
            shade(pixels, pixels, image);
            const greys = Array.from({ length: pixels.width * pixels.height }, (_, at) => image.data[4 * at]);
            found[name] = { shape: [pixels.height, pixels.width], greys };
        } catch (error) {
            found[name] = { said: error.message, expected: error instanceof NotShown };
        }
    }
    return found;
}"""


def files() -> dict[str, bytes]:
    """One file of each kind, by its name."""
    eight, twelve, sixteen = (quantised(bits, SIZE, SIZE) for bits in (8, 12, 16))
    entries = chunk(b"PLTE", bytes(np.repeat(np.arange(256, dtype=np.uint8), 3)))
    gamma = chunk(b"gAMA", (100_000).to_bytes(4, "big"))
    turned = {f"turned {held}": jpeg(eight, exif=b"Exif\0\0" + exif(held)) for held in range(1, 9)}
    plain = jpeg(eight)
    turned |= {
        f"EXIF of {form}": plain[:2] + app1(b"Exif\0\0" + block) + plain[2:] for form, (block, _) in EXIF_FORMS.items()
    }
    turned |= {
        f"PNG's EXIF of {form}": png(eight, 8, GREY, before=chunk(b"eXIf", block))
        for form, (block, _) in EXIF_FORMS.items()
    }
    colour = Image.fromarray(coloured(eight).astype(np.uint8))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    filtered = {f"filtered, {bits} bits": saved(quantised(bits, SIZE, SIZE)) for bits in (12, 16)}
    return {
        **turned,
        **filtered,
        "grey": png(eight, 8, GREY),
        "grey of four bits": png(quantised(4, SIZE, SIZE), 4, GREY),
        "grey with a gamma": png(eight, 8, GREY, before=gamma),
        "grey and alpha": png(with_alpha(eight, 128), 8, GREY_ALPHA),
        "colour": png(coloured(eight), 8, RGB),
        "colour with a gamma": png(coloured(eight), 8, RGB, before=gamma),
        "colour and alpha": png(with_alpha(coloured(eight), 128), 8, RGBA),
        "a palette": png(eight, 8, PALETTE, before=entries),
        "a palette with a transparent entry": png(eight, 8, PALETTE, before=entries + chunk(b"tRNS", bytes(200))),
        "a transparent grey": png(eight, 8, GREY, before=chunk(b"tRNS", int(eight[30, 30]).to_bytes(2, "big"))),
        "grey and alpha with EXIF": png(with_alpha(eight, 128), 8, GREY_ALPHA, before=chunk(b"eXIf", exif(1, ">"))),
        "turned PNG": png(eight, 8, GREY, before=chunk(b"eXIf", exif(6))),
        "interlaced": png(eight, 8, GREY, interlaced=True),
        "sixteen bits": png(sixteen, 16, GREY),
        "twelve of sixteen": png(twelve, 16, GREY),
        "few of twelve of sixteen": png(twelve // 8 + 2048, 16, GREY),
        "twelve that are noted": png(twelve // 4, 16, GREY, before=chunk(b"sBIT", b"\x0c")),
        "twelve that are scaled": png(twelve * 16, 16, GREY, before=chunk(b"sBIT", b"\x0c")),
        "sixteen and alpha": png(with_alpha(sixteen, 30_000), 16, GREY_ALPHA),
        "sixteen in colour": png(coloured(twelve), 16, RGB),
        "sixteen in colour and alpha": png(with_alpha(coloured(twelve), 30_000), 16, RGBA),
        "in small parts": png(sixteen, 16, GREY, idat=100),
        "JPEG": jpeg(eight),
        "JPEG with an orientation in XMP": plain[:2] + app1(TURNING_XMP) + plain[2:],
        "JPEG in colour": jpeg(colour),
        "JPEG with a profile": jpeg(eight, icc_profile=profile),
        "progressive JPEG": jpeg(eight, progressive=True),
        "two pictures": mpo(Image.fromarray(eight.astype(np.uint8)), Image.fromarray((255 - eight).astype(np.uint8))),
    }


def saved(values: np.ndarray) -> bytes:
    """A PNG of sixteen bits by Pillow, whose lines are filtered."""
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


# A canvas keeps eight bits of sixteen; the page says so.
COARSE = {"interlaced sixteen": png(quantised(12, SIZE, SIZE), 16, GREY, interlaced=True)}


def test_what_the_page_shows_of_a_picture_is_what_the_model_sees(page: Page) -> None:
    kinds = {**files(), **COARSE}
    sent = {
        name: ["image/jpeg" if data.startswith(b"\xff\xd8") else "image/png", base64.b64encode(data).decode()]
        for name, data in kinds.items()
    }
    found = page.evaluate(DRAWN, sent)
    wrong = []
    for name, data in kinds.items():
        if "said" in found[name]:
            wrong.append(f"{name}: {found[name]['said']}")
            continue
        shown = np.asarray(found[name]["greys"], np.int64).reshape(found[name]["shape"])
        off = np.abs(shown - pixels_from_bytes(data, SIZE)[..., 0]).max()
        if off > (17 if name in COARSE else 2):
            wrong.append(f"{name}: {off} grey levels off")
    assert wrong == []
