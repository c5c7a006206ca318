"""``nodnod doctor``: examines one agent and its cluster, and says what to do.

``gathering`` asks, ``local`` looks at this machine; ``checks`` judges what they found, without I/O.
"""
