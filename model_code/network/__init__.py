"""The classifier: backbone, head, pretrained weights, saliency map, out-of-distribution detector."""
