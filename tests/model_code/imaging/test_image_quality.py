"""Images with too few pixels, or nothing in them, are not trained on, and the reason says what to do."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.imaging.image_quality import check_contrast, check_edges


@pytest.mark.parametrize(
    ("edges", "size", "taken"),
    [
        ((110, 2000), 220, True),
        ((109, 2000), 220, False),
        ((2000, 109), 220, False),
        ((111, 111), 221, True),
        ((110, 111), 221, False),
        ((32, 32), 32, True),
        ((31, 500), 32, False),  # the thumbnails that tell near-duplicates apart have 32
        ((32, 32), 64, True),
    ],
)
def test_an_edge_is_enlarged_twice_at_most(edges, size, taken):
    if taken:
        return check_edges(*edges, size)
    with pytest.raises(ValueError, match=rf"it has {edges[0]} x {edges[1]} pixels, where ImageSize {size} needs \d+"):
        check_edges(*edges, size)
    return None


def test_a_blank_is_refused_and_a_faint_picture_is_not():
    blank = np.full((32, 32), 40, np.uint8)
    blank[0, :3] = 255  # a marker
    with pytest.raises(ValueError, match="98 % of its pixels lie within 0 of 255 grey levels, around 40"):
        check_contrast(blank)
    check_contrast(np.tile(np.arange(16, dtype=np.uint8), (32, 2)))
