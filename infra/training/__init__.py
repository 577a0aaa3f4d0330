"""Upload trigger, SageMaker Pipeline and model registry."""
