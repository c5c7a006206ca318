"""The detail of a node that has much of everything, with long names that begin alike."""

from typing import Any

GIB = 2**30


def busy_node(now: float) -> dict[str, Any]:
    """Sections for ``SimulatedNode.detail``."""
    none = dict.fromkeys(("readBytes", "writeBytes", "recvBytes", "sentBytes", "restarts"))
    return {
        "filesystems": [filesystem(place, now) for place in range(14)],
        "network": {
            name: {
                "recvBytes": 1.02e9 / (place + 1),
                "sentBytes": 3.3e6 * place,
                "packets": 81200.0 / (place + 1),
                "errors": float(place == 2),
                "drops": 0.0,
            }
            for place, name in enumerate(
                ["eth0", "docker0", *(f"vethproduction{n}a{n}" for n in range(10))]
            )
        },
        "diskio": {
            name: {
                "readBytes": 1.02e9 / (place + 1),
                "writeBytes": 2.3e6,
                "reads": 41200.0,
                "writes": 61.0,
                "busyPercent": 97.1 - 20 * place,
            }
            for place, name in enumerate(["nvme0n1", "nvme1n1", "dm-0", "mapper-production-data"])
        },
        "gpu": [
            {
                "name": f"NVIDIA A100-SXM4-80GB in slot {place}",
                "utilisation": 91.5 - place,
                "memoryTotal": 80 * GIB,
                "memoryUsed": 61 * GIB,
                "temperature": 71.0,
                "power": 388.1,
            }
            for place in range(2)
        ],
        "containers": {
            "count": 24,
            "containers": [
                none
                | {
                    "id": f"{place:064x}",
                    "name": f"shop-production-frontend-worker-{place}",
                    "engine": "docker",
                    "image": f"registry.example/shop/production/frontend-worker:1.{place}",
                    "state": "running",
                    "health": "healthy" if place else "unhealthy",
                    "since": now - 86400 * place,
                    "cpu": 40.5 / (place + 1),
                    "cpuOfLimit": 81.0 / (place + 1),
                    "memoryUsed": GIB * (place + 1) // 3,
                    "memoryLimit": 9 * GIB,
                    "recvBytes": 1.02e9 / (place + 1),
                    "processes": 7 + place,
                }
                for place in range(24)
            ],
        },
        "custom": {
            "files": [{"name": "backup.prom", "modified": now - 86400, "stale": True}],
            "numbers": [
                {
                    "file": "backup.prom",
                    "name": "backup_age_seconds",
                    "value": 1234567890.5 * place,
                    "labels": {"volume": f"/srv/production/databases/{place}"},
                }
                for place in range(12)
            ],
        },
        "services": {
            "count": 187,
            "failed": 1,
            "problems": [
                {
                    "name": "backup-of-all-production-databases.service",
                    "state": "auto-restart",
                    "since": now - 86400 * 3,
                    "result": "exit-code",
                    "restarts": 1204,
                    "exitStatus": 2,
                    "signal": None,
                }
            ],
            "byCpu": [service(place) for place in range(10)],
            "byMemory": [service(place) for place in range(10)],
        },
        "sensors": {
            "temperatures": [
                {"name": f"coretemp Package id 0 Core {core}", "value": 61.0, "critical": 100.0}
                for core in range(4)
            ],
            "fans": [{"name": "fan1", "rpm": 12300.0}],
            "battery": None,
        },
    }


def filesystem(place: int, now: float) -> dict[str, Any]:
    """The fuller, the higher its place; the first one does not answer."""
    stuck = {"stuckSince": now - 86400} if place == 0 else {}
    return stuck | {
        "mount": f"/var/lib/docker/volumes/production-database-{place}",
        "device": f"/dev/mapper/production-docker--volumes--{place}",
        "type": "ext4",
        "total": 2000 * GIB,
        "used": 140 * GIB * place,
        "free": (2000 - 140 * place) * GIB,
        "inodesUsedPercent": 4.2,
        "counted": place > 1,
        "usedPercent": 7 * place,
    }


def service(place: int) -> dict[str, Any]:
    """One of the top services."""
    name = f"production-frontend-worker-{place}.service"
    return {"name": name, "cpu": 320.0 / (place + 1), "memory": GIB * (place + 1)}
