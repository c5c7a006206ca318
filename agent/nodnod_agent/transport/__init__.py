"""WebSocket connections in both directions: the server, the dialer and the fair queue."""
