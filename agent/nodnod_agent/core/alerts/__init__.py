"""Alerts: the rules, and the judge of this node's own."""
