from types import SimpleNamespace
from typing import Any

import pytest

from nodnod_agent.collectors.gpu import GpuCollector, load_nvml
from nodnod_client.sections import Gpu


class FakeNvml:
    """The functions of nvidia-ml-py that the collector calls, over given GPUs.

    Written from the documentation of the library, without a real GPU.
    """

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def __init__(self, *gpus: dict[str, Any], driver: bool = True) -> None:
        self.gpus = gpus
        self.driver = driver
        self.calls: list[str] = []

    def nvmlInit(self) -> None:  # noqa: N802
        self.calls.append("init")
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.calls.append("shutdown")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:  # noqa: N802
        return self.gpus[index]

    def _get(self, handle: dict[str, Any], what: str) -> Any:
        if what not in handle:
            raise self.NVMLError("Not Supported")
        return handle[what]

    def nvmlDeviceGetName(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._get(handle, "name")

    def nvmlDeviceGetUtilizationRates(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return SimpleNamespace(gpu=self._get(handle, "utilisation"), memory=5)

    def nvmlDeviceGetMemoryInfo(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        total, used = self._get(handle, "memory")
        return SimpleNamespace(total=total, free=total - used, used=used)

    def nvmlDeviceGetTemperature(self, handle: dict[str, Any], sensor: int) -> Any:  # noqa: N802
        assert sensor == self.NVML_TEMPERATURE_GPU
        return self._get(handle, "temperature")

    def nvmlDeviceGetPowerUsage(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._get(handle, "power")


H100 = {
    "name": "NVIDIA H100 80GB HBM3",
    "utilisation": 0,
    "memory": (85899345920, 1024),
    "temperature": 31,
    "power": 69123,
}


def test_every_gpu_has_a_row_with_power_in_watts() -> None:
    collector = GpuCollector(lambda: FakeNvml(H100, H100))
    row = Gpu("NVIDIA H100 80GB HBM3", 0, 85899345920, 1024, 31, 69.12)
    assert collector.read(0.0) == [row, row]


def test_values_that_a_model_does_not_report_are_none() -> None:
    collector = GpuCollector(lambda: FakeNvml({"name": b"GeForce\xff"}))
    assert collector.read(0.0) == [Gpu("GeForce\ufffd", None, None, None, None, None)]


def test_without_the_package_there_is_no_section() -> None:
    loads = []

    def absent() -> Any:
        loads.append(1)
        raise ImportError("pynvml")

    collector = GpuCollector(absent)
    assert [collector.read(0.0), collector.read(1.0)] == [None, None]
    assert len(loads) == 1, "it is not loaded again at every tick"
    collector.reset()
    collector.read(2.0)
    assert len(loads) == 2


def test_without_a_driver_or_a_gpu_there_is_no_section() -> None:
    assert GpuCollector(lambda: FakeNvml(driver=False)).read(0.0) is None
    assert GpuCollector(lambda: FakeNvml()).read(0.0) is None


def test_the_library_is_opened_once_and_closed_by_reset() -> None:
    nvml = FakeNvml(H100)
    collector = GpuCollector(lambda: nvml)
    collector.read(0.0)
    collector.read(1.0)
    collector.reset()
    collector.reset()
    assert nvml.calls == ["init", "shutdown"]
    collector.read(2.0)
    assert nvml.calls == ["init", "shutdown", "init"]


def test_the_real_package_has_the_functions_that_the_fake_has() -> None:
    nvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    assert load_nvml() is nvml
    names = [name for name in dir(FakeNvml) if name.lower().startswith("nvml")]
    assert [name for name in names if not hasattr(nvml, name)] == []
