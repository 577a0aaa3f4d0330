"""Images that are no chest radiograph, or none as the model knows it: drawn, or cut from what packages hold.

Every function takes a random generator, so the same seed gives the same images. Nothing is downloaded.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps
from pydicom.data import get_testdata_file

Make: TypeAlias = Callable[[np.random.Generator], Image.Image]
Change: TypeAlias = Callable[[Image.Image], Image.Image]
_TEXT = (
    "patient chest lateral frontal report history cough fever lungs clear heart size normal pleural effusion no acute "
    "osseous finding compared prior study impression consolidation right lower lobe follow up recommended the of and"
)
# CT, MR and a bone scan that pydicom ships.
_SLICES = ("CT_small.dcm", "J2K_pixelrep_mismatch.dcm", "JPEG2000.dcm", "MR_small.dcm", "examples_overlay.dcm")


def _shape(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width between 200 and 900 pixels."""
    return int(rng.integers(200, 900)), int(rng.integers(200, 900))


def _grey(values: npt.NDArray[np.floating]) -> Image.Image:
    """Floating-point grey levels from 0 to 1 as an image."""
    return Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))


def white_noise(rng: np.random.Generator) -> Image.Image:
    """Every pixel by itself."""
    return _grey(rng.normal(0.5, rng.uniform(0.1, 0.4), _shape(rng)))


def cloud_noise(rng: np.random.Generator) -> Image.Image:
    """Noise with the spectrum 1/f of natural images: soft patches of all sizes, as opacities are."""
    shape = _shape(rng)
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, np.newaxis] * shape[0], np.fft.rfftfreq(shape[1]) * shape[1])
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) / np.maximum(frequency, 1) ** rng.uniform(1.0, 2.0)
    field = np.fft.irfft2(spectrum, shape)
    return _grey(0.5 + 0.22 * (field - field.mean()) / field.std())


def one_grey(rng: np.random.Generator) -> Image.Image:
    """A single grey level, as of a blank film or a lens cap."""
    return _grey(np.full(_shape(rng), rng.uniform()))


def gradient(rng: np.random.Generator) -> Image.Image:
    """Brightness that runs in one direction, or around one point."""
    height, width = _shape(rng)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    field = x * np.cos(angle) + y * np.sin(angle)
    if rng.random() < 0.5:
        field = np.hypot(x - rng.uniform(-0.5, 0.5), y - rng.uniform(-0.5, 0.5)) * rng.choice([-1, 1])
    return _grey((field - field.min()) / (field.max() - field.min()))


def text_page(rng: np.random.Generator) -> Image.Image:
    """A printed page: dark words on white, in lines and paragraphs."""
    page = Image.new("L", (620, 877), int(rng.integers(225, 256)))
    draw, size = ImageDraw.Draw(page), int(rng.integers(9, 26))
    font = ImageFont.load_default(size)
    top, margin = int(rng.integers(20, 90)), int(rng.integers(20, 90))
    while top < 877 - margin:
        if rng.random() < 0.12:
            top += size
        line = " ".join(rng.choice(_TEXT.split()) for _ in range(int(rng.integers(3, 1 + 1000 // size))))
        draw.text(
            (margin, top), line[: int((620 - 2 * margin) / (0.5 * size))], fill=int(rng.integers(0, 70)), font=font
        )
        top += round(1.4 * size)
    return page


def dark_screen(rng: np.random.Generator) -> Image.Image:
    """Light text on dark, as of a terminal or a report's window."""
    return ImageOps.invert(text_page(rng)).resize((800, 600))


def chart(rng: np.random.Generator) -> Image.Image:
    """A plot."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes as long to import as all else here

    figure = Figure(figsize=(5, 4), dpi=100)
    axes = figure.add_subplot()
    for _ in range(int(rng.integers(1, 5))):
        axes.plot(rng.standard_normal(60).cumsum())
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer)


def photograph(rng: np.random.Generator) -> Image.Image:
    """A part of one of three photographs: a palace, a flower, a portrait."""
    from matplotlib.cbook import get_sample_data  # noqa: PLC0415
    from sklearn.datasets import load_sample_images  # noqa: PLC0415

    pictures = [Image.fromarray(picture) for picture in load_sample_images().images]
    with get_sample_data("grace_hopper.jpg") as file:
        pictures.append(Image.open(file).convert("RGB"))
    picture = pictures[rng.integers(len(pictures))]
    share = rng.uniform(0.35, 1.0)
    width, height = round(share * picture.width), round(share * picture.height)
    left, top = rng.integers(picture.width - width + 1), rng.integers(picture.height - height + 1)
    return picture.crop((left, top, left + width, top + height)).convert("L")


def other_modality(rng: np.random.Generator) -> Image.Image:
    """A slice of a CT or MR, or a bone scan, windowed to its own range."""
    path = get_testdata_file(_SLICES[rng.integers(len(_SLICES))], download=False)
    values = pydicom.dcmread(path).pixel_array.astype(np.float64)
    values = values[0] if values.ndim > 2 else values
    low, high = np.percentile(values, [1, rng.uniform(97, 99.9)])
    image = _grey((values - low) / max(high - low, 1))
    return ImageOps.mirror(image) if rng.random() < 0.5 else image


def hand(rng: np.random.Generator) -> Image.Image:
    """A drawn radiograph of a hand: soft tissue with brighter bones on black film, fingers upwards."""
    scale = 700
    tissue, bone = Image.new("L", (scale, scale)), Image.new("L", (scale, scale))
    spread, bend = rng.uniform(0.10, 0.22), rng.normal(0, 0.06)
    wrist = np.array([scale * rng.normal(0.5, 0.03), scale * 0.80])
    _limb(tissue, bone, wrist, np.array([wrist[0], scale * 1.05]), width=95, bones=[30, 26], offsets=(-32, 32))
    for finger in range(5):
        angle = -np.pi / 2 + bend + spread * (finger - 2) * (2.1 if finger == 0 else 1.1)
        direction = np.array([np.cos(angle), np.sin(angle)])
        joint = wrist + direction * 40
        lengths = np.array([190, 95, 62, 45]) * ((0.62, 0.95, 1.05, 0.98, 0.8)[finger]) * rng.uniform(0.95, 1.05)
        for part, length in enumerate(lengths):
            end = joint + direction * length
            _limb(tissue, bone, joint, end, width=62 - 8 * part, bones=[26 - 4 * part])
            joint = end
    soft = np.asarray(tissue.filter(ImageFilter.GaussianBlur(4)), dtype=np.float64) / 255
    hard = np.asarray(bone.filter(ImageFilter.GaussianBlur(2)), dtype=np.float64) / 255
    field = rng.uniform(0.02, 0.08) + rng.uniform(0.25, 0.4) * soft + rng.uniform(0.3, 0.5) * hard * soft
    picture = _grey(field + rng.normal(0, 0.015, field.shape)).rotate(rng.normal(0, 12))
    return ImageOps.mirror(picture) if rng.random() < 0.5 else picture


def limb(rng: np.random.Generator) -> Image.Image:
    """A drawn radiograph of a forearm or a lower leg: two long bones in soft tissue."""
    width, height = int(rng.integers(300, 600)), int(rng.integers(600, 900))
    tissue, bone = Image.new("L", (width, height)), Image.new("L", (width, height))
    top, bottom = (
        np.array([width * rng.normal(0.5, 0.05), -60.0]),
        np.array([width * rng.normal(0.5, 0.05), height + 60.0]),
    )
    apart = rng.uniform(0.10, 0.16) * width
    _limb(
        tissue,
        bone,
        top,
        bottom,
        width=rng.uniform(0.5, 0.75) * width,
        bones=[0.13 * width, 0.09 * width],
        offsets=(-apart, apart),
    )
    soft = np.asarray(tissue.filter(ImageFilter.GaussianBlur(8)), dtype=np.float64) / 255
    hard = np.asarray(bone.filter(ImageFilter.GaussianBlur(3)), dtype=np.float64) / 255
    field = rng.uniform(0.02, 0.08) + rng.uniform(0.25, 0.4) * soft + rng.uniform(0.3, 0.5) * hard
    return _grey(field + rng.normal(0, 0.015, field.shape)).rotate(rng.normal(0, 6))


def _limb(
    tissue: Image.Image,
    bone: Image.Image,
    start: npt.NDArray[np.floating],
    end: npt.NDArray[np.floating],
    *,
    width: float,
    bones: list[float],
    offsets: tuple[float, ...] = (0,),
) -> None:
    """A straight piece of soft tissue, with bones of these widths along it, so far beside its axis."""
    ImageDraw.Draw(tissue).line([tuple(start), tuple(end)], fill=255, width=round(width))
    for point in (start, end):
        x, y = point
        ImageDraw.Draw(tissue).ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    draw = ImageDraw.Draw(bone)
    for thick, offset in zip(bones, offsets, strict=True):
        aside = np.array([offset, 0])
        draw.line([tuple(start + aside), tuple(end + aside)], fill=210, width=round(thick))
        for x, y in (start + aside, end + aside):
            draw.ellipse((x - 0.7 * thick, y - 0.7 * thick, x + 0.7 * thick, y + 0.7 * thick), fill=255)


MADE: dict[str, Make] = {
    "white noise": white_noise,
    "cloud noise": cloud_noise,
    "one grey level": one_grey,
    "gradient": gradient,
    "text page": text_page,
    "light text on a dark screen": dark_screen,
    "chart": chart,
    "photograph": photograph,
    "CT, MR, bone scan": other_modality,
    "drawn hand radiograph": hand,
    "drawn limb radiograph": limb,
}


def _jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.convert("L").save(buffer, "JPEG", quality=30)
    return Image.open(buffer)


def _crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    return image.crop(
        (int(left * image.width), int(top * image.height), int(right * image.width), int(bottom * image.height))
    )


# What a radiograph may go through on its way and still be one that the model knows.
HARMLESS: dict[str, Change] = {
    "JPEG quality 30": _jpeg,
    "gamma 0.7": lambda image: image.point([round(255 * (level / 255) ** 0.7) for level in range(256)]),
    "gamma 1.4": lambda image: image.point([round(255 * (level / 255) ** 1.4) for level in range(256)]),
    "half the contrast": lambda image: image.point([round(64 + level / 2) for level in range(256)]),
    "mirrored": ImageOps.mirror,
    "turned by 5 degrees": lambda image: image.rotate(5, Image.Resampling.BILINEAR),
    "without the outer 5 %": lambda image: _crop(image, 0.05, 0.05, 0.95, 0.95),
}
# What makes another image of it.
CHANGED: dict[str, Change] = {
    "inverted": ImageOps.invert,
    "upside down": lambda image: image.rotate(180),
    "turned by 90 degrees": lambda image: image.rotate(90, expand=True),
    "a quarter of the image": lambda image: _crop(image, 0.0, 0.0, 0.5, 0.5),
    "the middle half": lambda image: _crop(image, 0.25, 0.25, 0.75, 0.75),
    "small on a white page": lambda image: ImageOps.expand(image, border=image.width // 2, fill=255),
}
