"""Patient key: the secret HMAC key of a deployment, with which jobs pseudonymise patients."""
