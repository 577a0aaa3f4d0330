"""What the tests of releases share."""

import pytest

from tests.lambdas.release.world import World


@pytest.fixture
def world():
    return World()
