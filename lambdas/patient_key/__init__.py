"""Patient key: the secret of a deployment, with which jobs make hashes of patients."""
