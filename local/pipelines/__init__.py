"""SageMaker Pipelines: definitions, expressions, executions and their steps."""
