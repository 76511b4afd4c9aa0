"""NumPy archives (.npz) read with suspicion: no objects, no more bytes than they may unpack to, no half arrays."""

import math
import zipfile
from pathlib import Path
from typing import Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from smiletrack.errors import InputError
from smiletrack.limits import ARCHIVE_GROWTH, LARGEST_ARCHIVE, SMALL_ARCHIVE


def read_arrays(file: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Return the arrays with these names.

    Raises InputError, one line, where the file is missing or damaged, lacks one of them, holds Python objects (which
    are never made), or would take more memory than `LARGEST_ARCHIVE`, or many
    times its size; sizes are compared before anything is unpacked.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
            most = min(LARGEST_ARCHIVE, max(SMALL_ARCHIVE, ARCHIVE_GROWTH * file.stat().st_size))
            if unpacked > most:
                raise ValueError(f"{unpacked} bytes unpacked; at most {most} are")
            return {name: _read_array(archive, name) for name in names}
    except Exception as error:  # zipfile, zlib and NumPy meet damage with errors of every kind
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{file}: not a whole archive of arrays ({reason})") from None


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    part = archive.getinfo(f"{name}.npy")
    with archive.open(part) as stream:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    if math.prod(shape) * dtype.itemsize > part.file_size:
        raise ValueError(f"{name} of shape {shape} is more than its {part.file_size} bytes")
    with archive.open(part) as stream:
        return npy.read_array(stream, allow_pickle=False)
