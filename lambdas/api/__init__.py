"""The API beside predictions: uploads, kept predictions, readers' labels, and what serves. One module a function."""
