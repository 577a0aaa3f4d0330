"""Reading and answering in DICOM: how fast, and how near to other programs."""
