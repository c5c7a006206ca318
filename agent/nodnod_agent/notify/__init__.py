"""Delivers messages about alerts: to webhooks, to Alertmanager, and through Apprise to anything else.

A channel is one URL, and the URL is a secret: whoever has it can write to people. It is read from
where the configuration points, and is in no log, error or repr; people see scheme and host.
"""
