"""Table of backbones: their input scaling, stages and published weights files. A new one is added here alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DEFAULT = "ResNet50V2"
# Words that choose where fine-tuning begins, and the stage each means, counted from the first (0) or the last (-1).
FINE_TUNE_STAGES: Mapping[str, int] = MappingProxyType({"last-stage": -1, "last-two-stages": -2, "all": 0})


@dataclass(frozen=True)
class Scaling:
    """Input scaling of a backbone: grey value in 0..255 * scale + offset, for red, green and blue."""

    scale: tuple[float, float, float]
    offset: tuple[float, float, float]


MINUS_ONE_TO_ONE = Scaling(scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3)
# Mean 0 and deviation 1 over ImageNet, with the statistics of keras.applications.imagenet_utils (mode "torch").
IMAGENET_STANDARDISED = Scaling(
    scale=(1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
    offset=(-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
)


@dataclass(frozen=True)
class Backbone:
    """One network of keras.applications, without its top.

    Attributes:
        name: constructor in keras.applications, and value of the parameter Backbone.
        weights_file: the file of ImageNet weights without top that Keras publishes.
        md5: MD5 of that file, as Keras checks it; None where Keras publishes no checksum.
        scaling: what the weights were trained with. Applied once, by the classifier: a constructor that would scale
            too is told not to.
        stages: first layer of the stem and of each stage after it, in order. All that comes before such a layer reaches
            the output through it alone, so that training can begin there.
        points: last layer before the edge of the feature maps falls below a half, a quarter, an eighth and a sixteenth
            of the image's; the saliency map is made of two of them.
        scales_itself: whether the constructor has a scaling of its own (`include_preprocessing`) to be left out.
    """

    name: str
    weights_file: str
    md5: str | None
    scaling: Scaling
    stages: tuple[str, ...]
    points: tuple[str, ...]
    scales_itself: bool

    def first_layer(self, fine_tune_from: str) -> str:
        """The layer where fine-tuning begins: a stage's first for `last-stage`, `last-two-stages` and `all`, otherwise
        the word itself, taken for a layer's name."""
        if fine_tune_from in FINE_TUNE_STAGES:
            return self.stages[FINE_TUNE_STAGES[fine_tune_from]]
        return fine_tune_from


_RESNET50V2 = Backbone(
    name="ResNet50V2",
    weights_file="resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
    md5="fac2f116257151a9d068a22e544a4917",
    scaling=MINUS_ONE_TO_ONE,
    stages=(
        "conv1_pad",
        "conv2_block1_preact_bn",
        "conv3_block1_preact_bn",
        "conv4_block1_preact_bn",
        "conv5_block1_preact_bn",
    ),
    points=("conv1_conv", "conv2_block2_out", "conv3_block3_out", "conv4_block5_out"),
    scales_itself=False,
)
_EFFICIENTNETV2B0 = Backbone(
    name="EfficientNetV2B0",
    weights_file="efficientnetv2-b0_notop.h5",
    md5="893217f2bb855e2983157299931e43ff",
    scaling=IMAGENET_STANDARDISED,
    stages=("stem_conv", "block2a_expand_conv", "block3a_expand_conv", "block4a_expand_conv", "block6a_expand_conv"),
    points=("block1a_project_bn", "block2b_add", "block3b_add", "block5e_add"),
    scales_itself=True,
)
_MOBILENETV2 = Backbone(
    name="MobileNetV2",
    weights_file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    md5=None,
    scaling=MINUS_ONE_TO_ONE,
    stages=("Conv1", "block_1_expand", "block_3_expand", "block_6_expand", "block_13_expand"),
    points=("expanded_conv_project_BN", "block_2_add", "block_5_add", "block_12_add"),
    scales_itself=False,
)
_MOBILENETV3SMALL = Backbone(
    name="MobileNetV3Small",
    weights_file="weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
    md5="d3e8ec802a04aa4fc771ee12a9a9b836",
    scaling=MINUS_ONE_TO_ONE,
    stages=(
        "conv",
        "expanded_conv_depthwise_pad",
        "expanded_conv_1_expand",
        "expanded_conv_3_expand",
        "expanded_conv_8_expand",
    ),
    points=("conv_bn", "expanded_conv_project_bn", "expanded_conv_2_add", "expanded_conv_7_add"),
    scales_itself=True,
)
_MOBILENETV3LARGE = Backbone(
    name="MobileNetV3Large",
    weights_file="weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
    md5="07fb09a5933dd0c8eaafa16978110389",
    scaling=MINUS_ONE_TO_ONE,
    stages=(
        "conv",
        "expanded_conv_1_expand",
        "expanded_conv_3_expand",
        "expanded_conv_6_expand",
        "expanded_conv_12_expand",
    ),
    points=("expanded_conv_add", "expanded_conv_2_add", "expanded_conv_5_add", "expanded_conv_11_add"),
    scales_itself=True,
)

BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        backbone.name: backbone
        for backbone in (_RESNET50V2, _EFFICIENTNETV2B0, _MOBILENETV2, _MOBILENETV3SMALL, _MOBILENETV3LARGE)
    }
)
