"""Agents that hear each other over a bus of subjects instead of links of their own."""
