"""The backplane over NATS: where its servers are, one connection, and the connection that comes back."""
