"""The functions between people and SageMaker: `trigger` (upload), `release` (approval), and those of the HTTPS API.

Of the API: `predict` (predictions, health), `dicom` (for predict), `rest` (uploads, kept predictions, readers' labels,
what serves), `front` (documents, wrong paths), `authorizer` (tokens); `web` is what they share. Each is deployed with
its own folder and those it imports.
"""
