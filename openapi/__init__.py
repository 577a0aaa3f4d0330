"""The OpenAPI document of the HTTPS API, made of the models that its functions validate with.

`python -m openapi` writes it to `lambdas/site/openapi.json`, which the API serves; a test compares. Nothing deployed
imports this package.
"""
