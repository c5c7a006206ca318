"""Requests from clients: sessions, cluster queries, streams."""
