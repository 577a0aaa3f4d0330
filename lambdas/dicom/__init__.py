"""The function that converts one DICOM file, by `model_code.dicom`."""
