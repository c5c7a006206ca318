"""The readings of this machine: one file per section, and what several of them share."""
