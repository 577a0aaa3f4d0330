"""A real archive and the HTTPS API for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ops.pacs.orthanc import Orthanc, skip_without_orthanc
from tests.ops.prediction_api import api, deployed

__all__ = ["api", "deployed", "orthanc"]


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    skip_without_orthanc()
    made = Orthanc(tmp_path_factory.mktemp("pacs") / "orthanc")
    yield made
    made.stop()
