"""Code of the SageMaker containers: preprocessing, training, evaluation, monitoring, and served request handlers."""

import os

# Before TensorFlow is imported anywhere: its start-up notes would drown the progress lines and the failure sentence.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
