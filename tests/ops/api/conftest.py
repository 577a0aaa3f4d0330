"""The HTTPS API for the tests of this folder."""

from tests.ops.prediction_api import api, deployed

__all__ = ["api", "deployed"]
