"""SageMaker endpoints: configurations, traffic shifting, asynchronous inference, metrics."""
