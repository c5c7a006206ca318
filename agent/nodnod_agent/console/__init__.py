"""The ``nodnod`` command.

``main`` dispatches to one module per command: ``stat``, ``top/``, ``members``, ``check``,
``secret``, ``tokens``, ``demo`` and ``completion``. ``command`` holds what they share on the
command line. The rest are parts of commands: ``gather``, ``correlate``, ``diff`` and ``diff_text``
of ``members``; ``verdict`` of ``check``; ``local_cluster``, ``parent_watchdog`` and ``hints`` of
``demo``; ``output``, ``table`` and ``formats`` of ``stat``.
"""
