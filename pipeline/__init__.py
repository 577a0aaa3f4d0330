"""The training pipeline: written with the SageMaker SDK, committed as the JSON that is deployed."""
