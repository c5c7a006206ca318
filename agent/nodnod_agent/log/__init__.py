"""The agent's log: handler, line format and the rate limit on repeated messages."""
