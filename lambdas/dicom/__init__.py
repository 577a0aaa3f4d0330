"""One DICOM file in, one upright 8-bit grey PNG out, and nothing about the patient."""
