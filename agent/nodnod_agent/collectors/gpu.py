"""The ``gpu`` section: NVIDIA's GPUs, through the package nvidia-ml-py."""

import importlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import UNSET

from nodnod_agent.collectors.kernel_files import text
from nodnod_agent.collectors.plausible import celsius, within
from nodnod_client.sections import Gpu

# What NVML says, in the words of nvidia-ml-py.
_NO_GPU = frozenset({"Driver Not Loaded", "NVML Shared Library Not Found"})
_NOT_REPORTED = frozenset({"Not Supported", "Function Not Found", "Insufficient Permissions"})
"""Of a value that a model, its driver or this user does not have. Anything else is an error."""

_MAX_MILLIWATTS = 100_000_000
"""NVML has all bits set in a number that it does not know."""


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
        """The current section, by NVML's index; None without the package, the driver, or a GPU.

        Raises the library's NVMLError if it cannot be used: driver and library do not match.
        """
        if not self._open():
            return None
        nvml = self._nvml
        try:
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError:
            # The driver may have been loaded anew: the next reading opens the library again.
            with suppress(nvml.NVMLError):
                self.reset()
            raise
        return [self._row(index) for index in range(count)] or None

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
            except nvml.NVMLError as error:
                if str(error) not in _NO_GPU:
                    raise
                self._absent = True
                return False
            self._nvml = nvml
        return self._nvml is not None

    def _row(self, index: int) -> Gpu:
        try:
            return self._read_device(self._nvml.nvmlDeviceGetHandleByIndex(index))
        except Exception as error:  # noqa: BLE001 - one GPU must not hide the others
            return Gpu("", None, None, None, None, None, error=_words(error))

    def _read_device(self, handle: Any) -> Gpu:
        nvml = self._nvml
        errors = []

        def optional(query: Callable[..., Any], *arguments: Any) -> Any:
            try:
                return query(handle, *arguments)
            except UnicodeDecodeError as error:
                return error.object  # the library decodes names, which may be no UTF-8
            except nvml.NVMLError as error:
                if str(error) not in _NOT_REPORTED:
                    errors.append(_words(error))
                return None

        name = optional(nvml.nvmlDeviceGetName)
        utilisation = optional(nvml.nvmlDeviceGetUtilizationRates)
        memory = optional(nvml.nvmlDeviceGetMemoryInfo)
        temperature = optional(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU)
        milliwatts = within(0, optional(nvml.nvmlDeviceGetPowerUsage), _MAX_MILLIWATTS)
        if memory is not None and not 0 <= memory.used <= memory.total:
            memory = None
        return Gpu(
            name=text(name or ""),
            utilisation=within(0, utilisation and utilisation.gpu, 100),
            memory_total=memory and memory.total,
            memory_used=memory and memory.used,
            temperature=celsius(temperature),
            power=None if milliwatts is None else round(milliwatts / 1000, 2),
            error=errors[0] if errors else UNSET,
        )


def _words(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
