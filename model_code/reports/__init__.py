"""HTML reports, plots, saliency pictures and SageMaker's model card."""
