"""Synthetic chest radiograph (phantom): one frontal view as a numpy array, from a random generator.

Layers are added as attenuation (body, air-filled lungs, heart, bones), then an automatic exposure maps them to grey
levels. Pneumonia is drawn as what it is on a film: air replaced by fluid, so lungs lose their darkness in soft patches
and the borders of the heart and diaphragm next to them fade. No image of a person went into it.

Coordinates: x grows to the right of the image (the patient's left), y downwards; the rib cage is about 1.6 wide.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Field: TypeAlias = NDArray[np.floating[Any]]  # [height, width]


class Finding(StrEnum):
    """Finding in the lungs. The two kinds of pneumonia are those of the real archive's file names."""

    NORMAL = "normal"
    VIRUS = "virus"
    BACTERIA = "bacteria"


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """Anatomy of one patient, the same in every radiograph; lengths in half image heights."""

    cage_width: float
    cage_height: float
    torso_width: float
    rib_spacing: float
    rib_phase: float
    rib_slope: float
    heart_width: float
    heart_height: float
    diaphragm: float
    mediastinum: float
    spine_bend: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Anatomy:
        """Draw one patient."""
        cage_width = rng.uniform(0.70, 0.82)
        return cls(
            cage_width=cage_width,
            cage_height=rng.uniform(0.92, 1.06),
            torso_width=cage_width + rng.uniform(0.10, 0.22),
            rib_spacing=rng.uniform(0.155, 0.19),
            rib_phase=rng.uniform(0, 1),
            rib_slope=rng.uniform(0.22, 0.36),
            heart_width=rng.uniform(0.30, 0.40),
            heart_height=rng.uniform(0.30, 0.38),
            diaphragm=rng.uniform(0.50, 0.66),
            mediastinum=rng.uniform(0.12, 0.17),
            spine_bend=rng.uniform(-0.05, 0.05),
        )


def draw(anatomy: Anatomy, finding: Finding, rng: np.random.Generator, *, width: int, height: int) -> NDArray[np.uint8]:
    """One radiograph of a patient: positioning, exposure, noise and the finding's place come from `rng`.

    Returns grey levels, shape [height, width]. Their mean is drawn without regard to the finding, so brightness alone
    does not tell the classes apart.
    """
    return draw_with_opacity(anatomy, finding, rng, width=width, height=height)[0]


def draw_with_opacity(
    anatomy: Anatomy, finding: Finding, rng: np.random.Generator, *, width: int, height: int
) -> tuple[NDArray[np.uint8], Field]:
    """The same radiograph as `draw`, and where its opacities lie.

    Returns grey levels and the share of the lung's air that is gone, 0 to 1 and 0 outside the lungs; both of shape
    [height, width].
    """
    x, y = _positioned_grid(anatomy, rng, width, height)
    side = np.abs(x)
    body = _body(anatomy, x, y)
    cage = _cage(anatomy, side, y)
    diaphragm = _diaphragm(anatomy, x, rng)
    mediastinum = anatomy.mediastinum + 0.05 * np.cos(5 * y)
    lung = _edge(cage / 0.07) * _edge((side - mediastinum) / 0.018) * _edge((diaphragm - y) / 0.014)
    opened = _opened(finding, lung, x, y, rng)
    air = lung * (1 - 0.92 * _heart(anatomy, x, y)) * opened

    image = 0.16 + body * (0.34 + 0.20 * np.sqrt(np.clip(1 - (side / anatomy.torso_width) ** 2, 0, 1)))
    image += 0.10 * body * _edge((y - diaphragm) / 0.02)
    image -= rng.uniform(0.36, 0.44) * air
    image += _vessels(lung, x, y, rng) * (0.35 + 0.65 * air)
    image += body * _bones(anatomy, cage, x, y)
    image -= 0.16 * _stomach_bubble(x, y, rng) * _edge((y - diaphragm) / 0.03) * body
    image -= 0.16 * (1 - body)
    return _expose(image, rng), lung * (1 - opened)


def _positioned_grid(anatomy: Anatomy, rng: np.random.Generator, width: int, height: int) -> tuple[Field, Field]:
    """Chest coordinates of every pixel, each of shape [height, width]: turned, shifted, scaled, slightly bent."""
    angle = np.radians(rng.normal(0, 3.0))
    scale = rng.uniform(0.88, 1.06)
    columns = (np.arange(width, dtype=np.float32) - width / 2) / (height / 2)
    rows = (np.arange(height, dtype=np.float32) - height / 2) / (height / 2)
    # A wide film shows the arms, a narrow one must still show both lungs.
    stretch = np.float32(max(1.0, 0.98 / (width / height)) * scale)
    u, v = np.meshgrid(columns * stretch, rows * np.float32(scale))
    x = u * np.cos(angle) - v * np.sin(angle) + rng.normal(0, 0.04)
    y = u * np.sin(angle) + v * np.cos(angle) + rng.normal(0, 0.05)
    x = x + anatomy.spine_bend * (y * y - 0.3)
    return x.astype(np.float32), y.astype(np.float32)


def _edge(distance: Field) -> Field:
    """0 outside to 1 inside of a soft edge; `distance` in units of the edge's width."""
    return (1 / (1 + np.exp(-np.clip(distance, -30, 30)))).astype(np.float32)


def _ridge(distance: Field, width: float) -> Field:
    return np.asarray(np.exp(-((distance / width) ** 2)), dtype=np.float32)


def _body(anatomy: Anatomy, x: Field, y: Field) -> Field:
    side = np.abs(x)
    torso = _edge((anatomy.torso_width + 0.05 * y - side) / 0.012) * _edge((y + 0.80 - 0.10 * side) / 0.03)
    shoulders = _edge((0.26 - np.abs(y + 0.80 - 0.30 * (side - 0.7))) / 0.03) * _edge((side - 0.2) / 0.05)
    neck = _edge((0.30 + 0.6 * np.clip(y + 0.85, 0, 1) - side) / 0.02) * _edge((-0.6 - y) / 0.05)
    arm_axis = anatomy.torso_width + 0.30 + 0.12 * y
    arms = 0.8 * _edge((0.15 - np.abs(side - arm_axis)) / 0.02) * _edge((y + 0.85) / 0.05)
    return np.maximum(np.maximum(torso, shoulders), np.maximum(neck, arms))


def _cage(anatomy: Anatomy, side: Field, y: Field) -> Field:
    """Positive inside the rib cage, 0 at its wall, negative outside."""
    reach = np.abs(y - 0.28) / anatomy.cage_height
    return np.asarray(1 - (side / anatomy.cage_width) ** 2.4 - reach**2.3, dtype=np.float32)


def _diaphragm(anatomy: Anatomy, x: Field, rng: np.random.Generator) -> Field:
    """Height of the diaphragm over x: two domes falling to the costophrenic angles, the liver's one higher."""
    breath = rng.normal(0, 0.03)
    liver = np.where(x < 0, np.float32(0.05), np.float32(0.0))
    dome = 0.16 * ((np.abs(x) - 0.32) / 0.42) ** 2
    return (anatomy.diaphragm + breath - liver + dome).astype(np.float32)


def _heart(anatomy: Anatomy, x: Field, y: Field) -> Field:
    from_centre_x, from_centre_y = x - 0.13, y - (anatomy.diaphragm - 0.25)
    along = 0.87 * from_centre_x + 0.5 * from_centre_y
    across = 0.87 * from_centre_y - 0.5 * from_centre_x
    inside = 1 - (along / anatomy.heart_width) ** 2 - (across / anatomy.heart_height) ** 2
    return _edge(inside / 0.07)


def _bones(anatomy: Anatomy, cage: Field, x: Field, y: Field) -> Field:
    """Ribs (behind, in front and edge-on at the wall), clavicles and spine."""
    side = np.abs(x)
    in_cage = _edge(cage / 0.04)
    level = _edge((0.92 - y) / 0.08)
    behind = (y - anatomy.rib_slope * side**1.5) / anatomy.rib_spacing + anatomy.rib_phase
    front = (y + 0.62 * (side - anatomy.cage_width)) / anatomy.rib_spacing + anatomy.rib_phase + 0.45
    behind_profile = _ridge(behind - np.round(behind), 0.20) * _edge((side - 0.10) / 0.02)
    front_profile = _ridge(front - np.round(front), 0.17) * _edge((side - 0.36) / 0.04)
    wall = _ridge(cage - 0.05, 0.10) * (0.45 + 0.55 * _ridge(behind - np.round(behind), 0.33)) * _edge((y + 0.7) / 0.1)
    ribs = level * (in_cage * (0.105 * behind_profile + 0.065 * front_profile) + 0.12 * wall)

    clavicle_axis = -0.52 - 0.24 * (side - 0.1) + 0.035 * np.sin(7 * side)
    clavicles = 0.12 * _ridge(y - clavicle_axis, 0.035) * _edge((side - 0.12) / 0.02) * _edge((0.86 - side) / 0.03)

    vertebra = 0.75 + 0.25 * np.cos(2 * np.pi * y / (anatomy.rib_spacing * 0.8))
    spine = 0.15 * _edge((0.095 - side) / 0.012) * vertebra + 0.07 * _edge((0.15 - side) / 0.03)
    return np.asarray(ribs + clavicles + spine, dtype=np.float32)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Field:
    """Gaussian noise with features of about 1/cells of the image's height; shape [height, width], deviation about 1."""
    grid = rng.standard_normal((cells, max(2, cells * shape[1] // shape[0]))).astype(np.float32)
    field = np.asarray(Image.fromarray(grid).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))
    return np.asarray(field / (field.std() + 1e-6), dtype=np.float32)


def _vessels(lung: Field, x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Vessels and bronchi: brightest at the hila, fading outwards."""
    hilum = np.exp(-(((np.abs(x) - 0.20) / 0.13) ** 2) - ((y - 0.02) / 0.20) ** 2)
    spread = np.exp(-(((np.abs(x) - 0.15) / 0.35) ** 2))
    texture = np.clip(_smooth_noise(rng, x.shape, 34), 0, 2.5)
    return (lung * (0.07 * hilum + 0.035 * spread * texture)).astype(np.float32)


def _opened(finding: Finding, lung: Field, x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Share of the lung's air that is left, 0 to 1: all of it in a normal chest."""
    if finding is Finding.NORMAL:
        return np.ones_like(lung)
    if finding is Finding.VIRUS:
        return 1 - _diffuse_opacity(x, y, rng)
    return 1 - _lobar_opacity(x, y, rng)


def _diffuse_opacity(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Both lungs, patchy and strongest around the hila, as viral pneumonia tends to show."""
    patches = _edge(_smooth_noise(rng, x.shape, 7) * 1.6 + 0.3)
    fine = 0.10 * _smooth_noise(rng, x.shape, 20)
    around_hila = np.exp(-(((np.abs(x) - 0.25) / 0.32) ** 2) - ((y - 0.12) / 0.48) ** 2)
    strength = rng.uniform(0.75, 1.0)
    return np.clip(strength * (0.25 + 0.35 * patches + 0.40 * around_hila + fine), 0, 0.92).astype(np.float32)


def _lobar_opacity(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """One lobe, dense, with a soft uneven border, as bacterial pneumonia tends to show; sometimes a second, fainter."""
    opacity = np.zeros_like(x)
    first_side = rng.choice([-1.0, 1.0])
    for index in range(1 if rng.random() < 0.7 else 2):
        side = first_side if index == 0 else -first_side
        centre_x = side * rng.uniform(0.40, 0.54)
        centre_y = rng.choice([-0.22, 0.08, 0.30]) + rng.normal(0, 0.05)
        radius_x, radius_y = rng.uniform(0.24, 0.34), rng.uniform(0.22, 0.34)
        inside = 1 - ((x - centre_x) / radius_x) ** 2 - ((y - centre_y) / radius_y) ** 2
        border = inside + 0.22 * _smooth_noise(rng, x.shape, 9)
        patch = (rng.uniform(0.80, 0.97) if index == 0 else 0.55) * _edge(border / 0.16)
        opacity = np.maximum(opacity, patch)
    return opacity.astype(np.float32)


def _stomach_bubble(x: Field, y: Field, rng: np.random.Generator) -> Field:
    if rng.random() < 0.5:
        return np.zeros_like(x)
    centre_x, centre_y = rng.uniform(0.32, 0.46), rng.uniform(0.74, 0.86)
    return _edge((1 - ((x - centre_x) / 0.17) ** 2 - ((y - centre_y) / 0.10) ** 2) / 0.2)


def _expose(attenuation: Field, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Automatic exposure (gamma to a drawn mean grey level), detector blur, noise and the side marker."""
    width = attenuation.shape[1]
    low, high = np.percentile(attenuation[::2, ::2], [1.0, 99.7])
    image = np.clip((attenuation - low) / (high - low), 0.004, 1)
    tilt = np.linspace(-1, 1, width, dtype=np.float32) * rng.normal(0, 0.03)
    image = np.clip(image + tilt, 0.004, 1)
    target = rng.uniform(0.40, 0.56)
    sample = image[::4, ::4]
    gamma = 1.0
    for _ in range(6):
        powered = sample**gamma
        slope = float((powered * np.log(sample)).mean())
        gamma = float(np.clip(gamma - (float(powered.mean()) - target) / slope, 0.25, 4.0))
    levels = Image.fromarray((image**gamma * 255).astype(np.uint8))
    levels = levels.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    noisy = np.asarray(levels, dtype=np.float32) + rng.normal(0, rng.uniform(1.5, 5.0), attenuation.shape)
    if rng.random() < 0.7:
        _stamp_marker(noisy, rng)
    return np.clip(noisy, 0, 255).astype(np.uint8)


# The letter R, 5 by 7: the side marker that radiographers leave on the film.
_MARKER_ROWS = ("11110", "10001", "10001", "11110", "10100", "10010", "10001")
_MARKER = np.array([[int(bit) for bit in row] for row in _MARKER_ROWS])


def _stamp_marker(image: Field, rng: np.random.Generator) -> None:
    height, width = image.shape
    zoom = max(1, height // 110)
    letter = np.kron(_MARKER, np.ones((zoom, zoom), dtype=int)) > 0
    top = int(rng.uniform(0.03, 0.35) * height)
    left = int(rng.uniform(0.01, 0.05) * width)
    window = image[top : top + letter.shape[0], left : left + letter.shape[1]]
    window[letter] = 235
