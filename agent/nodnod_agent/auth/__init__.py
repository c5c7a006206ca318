"""Access control: host and origin policy, tokens, secrets and TLS."""
