"""Coded results for a PACS: written beside the answers of the API, and stored in an archive by DICOMweb."""
