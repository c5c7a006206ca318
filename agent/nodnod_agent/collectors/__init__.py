"""The collectors: one file per section of this machine's stats, and what they share."""
