"""Archives, uploads and executions of the training pipeline."""
