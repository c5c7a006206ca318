"""Requests from clients: sessions, cluster queries, streams and the encoding of answers."""
