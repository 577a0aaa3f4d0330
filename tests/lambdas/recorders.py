"""SageMaker's and SNS's side of the Trigger function, which remember what they were asked."""

from types import SimpleNamespace

from botocore.exceptions import ClientError


class Pipeline:
    """StartPipelineExecution as SageMaker documents it: the same token gives the same execution."""

    def __init__(self):
        self.requests = []
        self.executions = {}
        self.past = []
        self.packages = {}

    def describe_model_package(self, *, ModelPackageName):  # noqa: N803
        if ModelPackageName not in self.packages:
            error = {"Code": "ValidationException", "Message": f"ModelPackage {ModelPackageName} does not exist."}
            raise ClientError({"Error": error}, "DescribeModelPackage")
        return self.packages[ModelPackageName]

    def ended(self, status, archive_uri, steps=None):
        """An execution that there was, the newest so far, with the statuses of its steps by name."""
        self.past.insert(0, (f"past-{len(self.past)}", status, archive_uri, steps or {}))

    def get_paginator(self, operation):
        return SimpleNamespace(paginate=lambda **request: [getattr(self, f"_{operation}")(**request)])

    def _list_pipeline_executions(self, **request):
        assert request == {"PipelineName": "cxr-dev", "SortBy": "CreationTime", "SortOrder": "Descending"}
        return {
            "PipelineExecutionSummaries": [
                {"PipelineExecutionArn": arn, "PipelineExecutionStatus": status} for arn, status, _, _ in self.past
            ]
        }

    def _list_pipeline_parameters_for_execution(self, *, PipelineExecutionArn):  # noqa: N803
        ((uri, _),) = [(uri, steps) for arn, _, uri, steps in self.past if arn == PipelineExecutionArn]
        return {"PipelineParameters": [{"Name": "Epochs", "Value": "5"}, {"Name": "InputArchiveUri", "Value": uri}]}

    def _list_pipeline_execution_steps(self, *, PipelineExecutionArn):  # noqa: N803
        (steps,) = [steps for arn, _, _, steps in self.past if arn == PipelineExecutionArn]
        return {"PipelineExecutionSteps": [{"StepName": name, "StepStatus": status} for name, status in steps.items()]}

    def start_pipeline_execution(self, **request):
        self.requests.append(request)
        token = request["ClientRequestToken"]
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/cxr-dev/execution/{len(self.executions)}"
        return {"PipelineExecutionArn": self.executions.setdefault(token, arn)}


class Topic:
    """The messages that were published."""

    def __init__(self):
        self.messages = []

    def publish(self, **message):
        self.messages.append(message)
