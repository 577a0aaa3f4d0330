"""Lambda authorizer: validates tokens of the deployment's issuer, and allows what their scopes open."""
