"""The NodNod agent: the daemon that answers for its node and for its cluster."""
