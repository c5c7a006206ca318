"""Listening sockets and name resolution."""
