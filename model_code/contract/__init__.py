"""What the jobs agree on with the rest of the stack and with SageMaker; needs the standard library only."""
