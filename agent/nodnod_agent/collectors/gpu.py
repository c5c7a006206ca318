"""The ``gpu`` section: NVIDIA's GPUs, through the package nvidia-ml-py."""

import importlib
from collections.abc import Callable
from typing import Any

from nodnod_agent.collectors.kernel_files import text
from nodnod_client.sections import Gpu


def load_nvml() -> Any:
    """The module of nvidia-ml-py. Raises ImportError if it is not installed."""
    return importlib.import_module("pynvml")


class GpuCollector:
    """Opens NVIDIA's library at the first reading, and closes it at ``reset``."""

    def __init__(self, load: Callable[[], Any] = load_nvml) -> None:
        self._load = load
        self._nvml: Any = None
        self._absent = False

    def read(self, now: float) -> list[Gpu] | None:
        """The current section; None without the package, the driver, or a GPU."""
        if not self._open():
            return None
        nvml = self._nvml
        return [
            self._read_device(nvml.nvmlDeviceGetHandleByIndex(index))
            for index in range(nvml.nvmlDeviceGetCount())
        ] or None

    def reset(self) -> None:
        """Close the library; the next reading opens it again."""
        nvml, self._nvml, self._absent = self._nvml, None, False
        if nvml is not None:
            nvml.nvmlShutdown()

    def _open(self) -> bool:
        if self._nvml is None and not self._absent:
            try:
                nvml = self._load()
            except ImportError:
                self._absent = True
                return False
            try:
                nvml.nvmlInit()
            except nvml.NVMLError:  # no driver, or one that does not answer
                self._absent = True
                return False
            self._nvml = nvml
        return self._nvml is not None

    def _read_device(self, handle: Any) -> Gpu:
        nvml = self._nvml

        def optional(query: Callable[..., Any], *arguments: Any) -> Any:
            try:
                return query(handle, *arguments)
            except nvml.NVMLError:  # not supported by this model
                return None

        utilisation = optional(nvml.nvmlDeviceGetUtilizationRates)
        memory = optional(nvml.nvmlDeviceGetMemoryInfo)
        milliwatts = optional(nvml.nvmlDeviceGetPowerUsage)
        return Gpu(
            name=text(optional(nvml.nvmlDeviceGetName) or ""),
            utilisation=utilisation and utilisation.gpu,
            memory_total=memory and memory.total,
            memory_used=memory and memory.used,
            temperature=optional(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
            power=None if milliwatts is None else round(milliwatts / 1000, 2),
        )
