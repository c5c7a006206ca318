"""Alerts: problems of nodes, and telling people of them once."""
