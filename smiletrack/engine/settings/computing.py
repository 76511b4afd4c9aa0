"""What commands compute on, the same fields wherever networks run."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from smiletrack.ranges import Checked, Seed


@dataclass(frozen=True, kw_only=True)
class DeviceConfig(Checked):
    """Where networks run."""

    device: str = "auto"
    """Device of the networks: auto, cpu, cuda or cuda:N."""


@dataclass(frozen=True, kw_only=True)
class TrainingDeviceConfig(DeviceConfig):
    """Where and in how many processes a training runs, and whether it can be repeated exactly."""

    seed: Seed = 0
    """Seed of all random numbers."""
    deterministic: bool = False
    """Use deterministic algorithms on a GPU too, which is slower."""
    processes: Annotated[int, Ge(1), Le(1024)] = 1
    """Data-parallel processes on this machine's CPU; for GPUs and several machines use torchrun."""
    threads: Annotated[int, Ge(0), Le(1024)] = 0
    """Computing threads of each process; 0 = PyTorch's default."""
