"""A configuration file that sets every setting."""

from typing import Any

FULL: dict[str, Any] = {
    "nodes": ["192.168.20.15", "kyle:1", "::1"],
    "join": ["seed"],
    "advertise": "10.0.0.1:8080",
    "mode": "push",
    "listen": "[::]:0",
    "name": "Éric 🐱",
    "interval": 2,
    "tags": {"role": "db", "a-b_c": "x=y, ☃"},
    "debug": True,
    "logFormat": "json",
    "custom": {"directory": "/var/lib/nodnod", "maxAge": 90},
    "state": {"directory": "/var/lib/state"},
    "alerts": {
        "rules": [
            {"name": "cpu", "enabled": False},
            {"name": "memory", "above": 90, "for": 60, "severity": "critical"},
            {"name": "load", "metric": "load.load5", "above": {"warning": 4, "critical": 8}},
        ],
        "notify": ["env:HOOK", "file:/etc/nodnod/notify"],
        "heartbeat": "env:HEART",
    },
    "auth": {"secrets": ["env:NODNOD_SECRET", "file:/etc/nodnod/old secret"]},
    "allowedOrigins": [
        "https://Wiki.example",
        "http://a:8080",
        "https://b:443",
        "http://[::1]",
        "moz-extension://2c127fa4-62c7-7e4f",
    ],
    "allowedHosts": ["Stats.example.", "db_1"],
    "tls": {"cert": "a.pem", "key": "a.key", "ca": "/ca.pem", "requireClientCert": True},
    "limits": {
        "connections": 1000,
        "handshake": 2.5,
        "unauthenticated": 10,
        "clientMessage": 65536,
        "peerMessage": 1048576,
        "inFlight": 8,
        "controlFrames": 20,
        "streams": 0,
        "unread": 262144,
        "unreadFor": 10,
    },
}
