"""The API that answers in DICOM, over tables of its own."""

import pytest

from tests.lambdas.predict.dicom_answers import Service
from tests.lambdas.tables import tables


@pytest.fixture
def dynamodb():
    with tables() as client:
        yield client


@pytest.fixture
def service(dynamodb):
    return Service(dynamodb)
