"""Fixture of the tests of releases."""

import pytest

from tests.lambdas.release.world import World


@pytest.fixture
def world():
    return World()
