from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY, Mock

import pynvml
import pytest
from msgspec import structs

from nodnod_agent.collectors.gpu import GpuCollector
from nodnod_client.sections import Gpu


class FakeNvml:
    """The functions of nvidia-ml-py that the collector calls, over given GPUs.

    A value, a GPU, ``init`` or ``count`` may be the text of an error, as the library has it.
    """

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def __init__(self, *gpus: dict[str, Any] | str, init: str = "", count: str = "") -> None:
        self.gpus = gpus
        self.init = init
        self.count = count
        self.calls: list[str] = []

    def _raise_if(self, error: object) -> None:
        if error and isinstance(error, str):
            raise self.NVMLError(error)

    def nvmlInit(self) -> None:  # noqa: N802
        self.calls.append("init")
        self._raise_if(self.init)

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.calls.append("shutdown")
        self._raise_if(self.count)

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        self._raise_if(self.count)
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:  # noqa: N802
        self._raise_if(self.gpus[index])
        return self.gpus[index]

    def _get(self, handle: dict[str, Any], what: str) -> Any:
        value = handle.get(what, NOT_SUPPORTED)
        self._raise_if(value)
        return value

    def nvmlDeviceGetName(self, handle: dict[str, Any]) -> str:  # noqa: N802
        return bytes(self._get(handle, "name")).decode()

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


NOT_SUPPORTED = "Not Supported"
LOST = "GPU is lost"
MISMATCH = "RM has detected an NVML/RM version mismatch."
H100 = {
    "name": b"NVIDIA H100 80GB HBM3",
    "utilisation": 0,
    "memory": (85899345920, 1024),
    "temperature": 31,
    "power": 69123,
}


FIELDS = ("utilisation", "memory", "temperature", "power")
H100_ROW = Gpu("NVIDIA H100 80GB HBM3", 0, 85899345920, 1024, 31, 69.12)


def rows(*gpus: dict[str, Any] | str) -> list[Gpu] | None:
    return GpuCollector(lambda: FakeNvml(*gpus)).read(0.0)


def test_every_gpu_has_a_row_with_power_in_watts() -> None:
    assert rows(H100, H100) == [H100_ROW, H100_ROW]


def test_values_that_a_model_does_not_report_are_none() -> None:
    assert rows({"name": b"GeForce", "power": "Insufficient Permissions"}) == [
        Gpu("GeForce", None, None, None, None, None)
    ]


def test_a_name_that_is_not_utf_8_has_replacement_characters() -> None:
    assert rows({"name": b"Ge\xfcForce"}) == [Gpu("Ge\ufffdForce", None, None, None, None, None)]


def test_a_lost_gpu_is_an_error_at_its_place_beside_the_others() -> None:
    assert rows(H100, LOST, H100) == [
        H100_ROW,
        Gpu("", None, None, None, None, None, error=LOST),
        H100_ROW,
    ]


def test_a_gpu_that_is_lost_while_it_is_read_is_an_error_too() -> None:
    assert rows(H100, {"name": b"A2", **dict.fromkeys(FIELDS, LOST)}, H100) == [
        H100_ROW,
        Gpu("A2", None, None, None, None, None, error=LOST),
        H100_ROW,
    ]


def test_one_value_that_cannot_be_read_leaves_the_others() -> None:
    assert rows(H100 | {"power": "Unknown Error"}) == [
        structs.replace(H100_ROW, power=None, error="Unknown Error")
    ]


def test_a_fault_of_the_library_in_one_gpu_leaves_the_others() -> None:
    assert rows(H100, H100 | {"memory": (1,)}) == [
        H100_ROW,
        Gpu("", None, None, None, None, None, error=ANY),
    ]


@pytest.mark.parametrize(
    ("field", "value", "unknown"),
    [
        ("utilisation", 2**32 - 1, ("utilisation",)),
        ("memory", (0, 2**64 - 1), ("memory_total", "memory_used")),
        ("temperature", 2**32 - 1, ("temperature",)),
        ("power", 2**32 - 1, ("power",)),
    ],
)
def test_a_value_that_cannot_be_true_is_none(
    field: str, value: Any, unknown: tuple[str, ...]
) -> None:
    assert rows(H100 | {field: value}) == [structs.replace(H100_ROW, **dict.fromkeys(unknown))]


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


@pytest.mark.parametrize("error", ["Driver Not Loaded", "NVML Shared Library Not Found"])
def test_without_a_driver_there_is_no_section(error: str) -> None:
    assert GpuCollector(lambda: FakeNvml(init=error)).read(0.0) is None


def test_without_a_gpu_there_is_no_section() -> None:
    assert rows() is None


def test_a_library_of_another_version_than_the_driver_is_an_error_until_they_match() -> None:
    nvml = FakeNvml(H100, init=MISMATCH)
    collector = GpuCollector(lambda: nvml)
    for now in range(2):
        with pytest.raises(FakeNvml.NVMLError, match="mismatch"):
            collector.read(now)
    nvml.init = ""
    assert collector.read(2.0) == [H100_ROW]


def test_a_driver_that_is_loaded_anew_is_opened_again() -> None:
    nvml = FakeNvml(H100, count="Uninitialized")
    collector = GpuCollector(lambda: nvml)
    with pytest.raises(FakeNvml.NVMLError, match="Uninitialized"):
        collector.read(0.0)
    nvml.count = ""
    assert collector.read(1.0) == [H100_ROW]
    assert nvml.calls == ["init", "shutdown", "init"]


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


# With the real package, over a library of NVIDIA that is made up.


class FakeLibrary:
    """What the package calls of libnvidia-ml.so: two GPUs, of which the first is lost.

    Functions return NVML's code of an error. They set what they have found through a pointer.
    """

    def __init__(self) -> None:
        self.init = 0

    def nvmlInitWithFlags(self, _: object) -> int:  # noqa: N802
        return self.init

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, _: object) -> int:  # noqa: N802
        return pynvml.NVML_ERROR_GPU_IS_LOST if index.value == 0 else 0

    def nvmlDeviceGetName(self, _: object, name: Any, __: object) -> int:  # noqa: N802
        name.value = b"Ge\xfcForce"
        return 0

    def nvmlDeviceGetTemperature(self, _: object, __: object, found: Any) -> int:  # noqa: N802
        found._obj.value = 44
        return 0

    def nvmlDeviceGetPowerUsage(self, *_: object) -> int:  # noqa: N802
        return pynvml.NVML_ERROR_NO_PERMISSION

    def nvmlDeviceGetMemoryInfo(self, *_: object) -> int:  # noqa: N802
        return pynvml.NVML_ERROR_UNKNOWN


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    library = FakeLibrary()
    monkeypatch.setattr(pynvml, "nvmlLib", library)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    return library


def test_the_package_has_a_lost_gpu_and_a_name_that_is_not_utf_8(library: FakeLibrary) -> None:
    assert GpuCollector().read(0.0) == [
        Gpu("", None, None, None, None, None, error=LOST),
        Gpu("Ge\ufffdForce", None, None, None, 44, None, error="Unknown Error"),
    ]


@pytest.mark.parametrize(
    "code", [pynvml.NVML_ERROR_DRIVER_NOT_LOADED, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND]
)
def test_the_package_without_a_driver_is_a_machine_without_gpus(
    library: FakeLibrary, code: int
) -> None:
    library.init = code
    assert GpuCollector().read(0.0) is None


def test_the_package_of_another_version_than_the_driver_is_an_error(library: FakeLibrary) -> None:
    library.init = pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
    with pytest.raises(pynvml.NVMLError, match="mismatch"):
        GpuCollector().read(0.0)


def test_the_package_without_the_library_is_a_machine_without_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "CDLL", Mock(side_effect=OSError))
    assert GpuCollector().read(0.0) is None
