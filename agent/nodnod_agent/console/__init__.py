"""The ``nodnod`` command: what people run in a terminal."""
