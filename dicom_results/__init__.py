"""A prediction as coded DICOM, beside the radiograph it is of: a structured report, and a picture of the saliency map.

Nothing here or below knows of AWS or of a command: pydicom, highdicom and Pillow are all that is needed.
"""
