"""A prediction in coded form, beside the radiograph it is of: a structured report, a picture of the saliency map, FHIR.

Nothing here or below knows of AWS or of a command: pydicom, highdicom and Pillow are all that is needed.
"""
