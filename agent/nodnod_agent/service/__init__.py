"""``nodnod-agent install-service`` and ``uninstall-service``: the agent as a unit of systemd."""
