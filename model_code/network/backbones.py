"""The convolutional networks a classifier can be built on, as Keras makes them; `contract.backbones` describes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras

from model_code.contract import backbones as described
from model_code.contract.job import JobError


class Backbone(described.Backbone):
    """One network of keras.applications, without its top."""

    def build(self, size: int, weights: str | None = None) -> Any:
        """The Keras model from scaled (n, size, size, 3) to feature maps (n, h, w, c).

        Args:
            size: edge of the images in pixels, at least 32.
            weights: None (random) or `imagenet`, which Keras downloads.
        """
        options = {"include_preprocessing": False} if self.scales_itself else {}
        model = getattr(keras.applications, self.name)(
            include_top=False, weights=weights, input_shape=(size, size, 3), **options
        )
        # Afterwards, because EfficientNetV2 looks its blocks up by the name it is given.
        model.name = "backbone"
        return model


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        name: Backbone(**{field.name: getattr(backbone, field.name) for field in dataclasses.fields(backbone)})
        for name, backbone in described.BACKBONES.items()
    }
)


def named(name: str) -> Backbone:
    """The backbone of that name.

    Raises:
        JobError: when there is none, with the names there are.
    """
    if name not in BACKBONES:
        raise JobError(f"Backbone must be one of {', '.join(BACKBONES)}, not {name!r}.")
    return BACKBONES[name]
