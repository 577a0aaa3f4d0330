"""Who holds a valid token of the deployment's issuer, and what its scopes allow."""
