"""Alerts without a master: who judges, what all know, and who tells people."""
