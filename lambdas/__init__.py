"""The functions between people and SageMaker: `trigger` (upload), `release` (approval), and those of the HTTPS API.

Of the API: `predict` (predictions, health), `dicom` and `dicom_result` (for predict), `api` (uploads, kept predictions,
readers' labels, what serves), `site` (page, documents, wrong paths), `authorizer` (tokens); `http` is what they share.
Each is deployed with the modules that its handler imports.
"""
