"""``nodnod top``: one cluster on a whole terminal.

``command`` starts ``app``, which shows the screens ``overview``, ``details`` and ``help``.
``view_model`` and ``history`` hold the data; the other modules turn it into text.
"""
