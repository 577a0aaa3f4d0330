"""SageMaker's and SNS's side of the Trigger function, which remember what they were asked."""


class Pipeline:
    """StartPipelineExecution as SageMaker documents it: the same token gives the same execution."""

    def __init__(self):
        self.requests = []
        self.executions = {}

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
