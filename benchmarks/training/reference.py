"""The reference: the notebook this project grew from (Jide-Muritala/chest-xray-classification), as it trains.

ResNet50V2, frozen, GlobalAveragePooling2D, Dense 128, Dropout 0.5, Dense 1 with sigmoid; Adam on binary cross-entropy;
`ImageDataGenerator` with rescale, horizontal flip and zoom 0.3; 220 px, batches of 64; `model.fit`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from keras.src.legacy.preprocessing.image import ImageDataGenerator

SIZE = 220
BATCH_SIZE = 64
ZOOM_RANGE = 0.3


def generator(folder: Path, *, augmented: bool = True, scaling: Any = None) -> Any:
    """Batches of a folder with one folder per label, as the notebook makes them.

    Args:
        folder: holds NORMAL and PNEUMONIA.
        augmented: flip and zoom at random, and shuffle.
        scaling: function from an image in 0..255 to the network's input; None is the notebook's 1/255.
    """
    options: dict[str, Any] = {"horizontal_flip": True, "zoom_range": ZOOM_RANGE} if augmented else {}
    options |= {"rescale": 1 / 255} if scaling is None else {"preprocessing_function": scaling}
    return ImageDataGenerator(**options).flow_from_directory(
        str(folder), target_size=(SIZE, SIZE), batch_size=BATCH_SIZE, class_mode="binary", shuffle=augmented, seed=1
    )


def model(weights: str | None, *, trainable_from: str | None = None) -> Any:
    """The notebook's network, compiled.

    Args:
        weights: `imagenet`, a path of no-top weights of ResNet50V2, or None for random ones.
        trainable_from: the backbone's layers from this one on are trained too, batch normalisation excepted; None
            freezes all.
    """
    named = weights if weights == "imagenet" else None
    backbone = keras.applications.ResNet50V2(include_top=False, weights=named, input_shape=(SIZE, SIZE, 3))
    if weights and not named:
        backbone.load_weights(weights)
    backbone.trainable = trainable_from is not None
    if trainable_from is not None:
        first = [layer.name for layer in backbone.layers].index(trainable_from)
        for index, layer in enumerate(backbone.layers):
            layer.trainable = index >= first and not isinstance(layer, keras.layers.BatchNormalization)
    inputs = keras.Input((SIZE, SIZE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(backbone(inputs, training=False))
    hidden = keras.layers.Dense(128, activation="relu")(pooled)
    outputs = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Dropout(0.5)(hidden))
    network = keras.Model(inputs, outputs)
    network.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy")
    return network
