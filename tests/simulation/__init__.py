"""A cluster without sockets or sleep: the real core over a fake clock and a seeded network.

``World`` is the way in. Everything in it follows from its seed, so a fault found here replays.
"""
