"""SageMaker endpoint, its scaling and rollback alarms, and the function that releases models to it."""
