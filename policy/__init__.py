"""Pages for a reviewer of rights, generated from the templates: who may do what, and what a deployment needs.

Nothing here is deployed with the app; `make policy` writes it.
"""
