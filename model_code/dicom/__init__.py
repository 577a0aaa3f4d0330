"""DICOM radiographs as upright grey pictures, for training and for the API alike, and nothing about the patient."""
