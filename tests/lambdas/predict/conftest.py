"""The API of predictions over stubs of the clients, for the tests of this folder."""

import botocore.session
import pytest
from botocore.stub import Stubber

from lambdas.predict.endpoint_invocation import Model
from lambdas.predict.endpoint_status import Endpoint
from tests.lambdas.predict.api_calls import Memory, made
from tests.lambdas.predict.dicom_answers import Service


@pytest.fixture(scope="module")
def clients():
    """Made once: loading SageMaker's API description takes long."""
    session = botocore.session.Session()
    session.set_credentials("testing", "testing")
    return {
        name: session.create_client(name, region_name="us-east-1") for name in ("sagemaker-runtime", "sagemaker", "s3")
    }


@pytest.fixture
def runtime(clients):
    with Stubber(clients["sagemaker-runtime"]) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def control(clients):
    with Stubber(clients["sagemaker"]) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def api(clients, runtime, control, clock, memory):
    endpoint = Endpoint(client=lambda: clients["sagemaker"], name="cxr-dev", clock=lambda: clock[0])
    return made(Model(clients["sagemaker-runtime"], endpoint), endpoint, memory=memory, s3=clients["s3"])


@pytest.fixture
def service(dynamodb):
    return Service(dynamodb)
