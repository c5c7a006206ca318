"""The ``gpu`` section: NVIDIA's GPUs, through the package nvidia-ml-py."""

import importlib
from collections.abc import Callable
from typing import Any

from nodnod_agent.collectors.kernel_files import text
from nodnod_client.sections import Gpu


def compute(
    name: str | bytes,
    utilisation: float | None,
    memory: tuple[int, int] | None,
    temperature: float | None,
    milliwatts: float | None,
) -> Gpu:
    """One row of the section; ``memory`` is (total, used)."""
    total, used = memory or (None, None)
    return Gpu(
        name=text(name),
        utilisation=utilisation,
        memory_total=total,
        memory_used=used,
        temperature=temperature,
        power=None if milliwatts is None else round(milliwatts / 1000, 2),
    )


def load_nvml() -> Any:
    """The module of nvidia-ml-py. Raises ImportError where it is not installed."""
    return importlib.import_module("pynvml")


class GpuCollector:
    """Opens NVIDIA's library at the first reading, and closes it when nobody asks any more."""

    def __init__(self, load: Callable[[], Any] = load_nvml) -> None:
        self._load = load
        self._nvml: Any = None
        self._absent = False

    def read(self, now: float) -> list[Gpu] | None:
        """The section as it is now; None without the package, the driver, or a GPU."""
        if not self._open():
            return None
        nvml = self._nvml
        return [
            self._look(nvml.nvmlDeviceGetHandleByIndex(index))
            for index in range(nvml.nvmlDeviceGetCount())
        ] or None

    def forget(self) -> None:
        """Close the library; the next reading looks again whether there is one."""
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
            except nvml.NVMLError:  # no driver, or none that answers
                self._absent = True
                return False
            self._nvml = nvml
        return self._nvml is not None

    def _look(self, handle: Any) -> Gpu:
        nvml = self._nvml

        def known(ask: Callable[..., Any], *arguments: Any) -> Any:
            try:
                return ask(handle, *arguments)
            except nvml.NVMLError:  # this model does not say
                return None

        utilisation = known(nvml.nvmlDeviceGetUtilizationRates)
        memory = known(nvml.nvmlDeviceGetMemoryInfo)
        return compute(
            known(nvml.nvmlDeviceGetName) or "",
            utilisation and utilisation.gpu,
            memory and (memory.total, memory.used),
            known(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
            known(nvml.nvmlDeviceGetPowerUsage),
        )
