"""The function that makes coded results in DICOM of a prediction, by `dicom_results`."""
