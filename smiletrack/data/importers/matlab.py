"""MATLAB files through scipy, with an error that names the file; nothing in them is executed."""

import zlib
from pathlib import Path
from typing import Any

from smiletrack.errors import InputError
from smiletrack.lazy import LazyModule

scipy_io = LazyModule("scipy.io")

_DAMAGE = (ValueError, TypeError, NotImplementedError, OSError, IndexError, KeyError, zlib.error)


def load_matlab(file: Path, variable: str, *others: str) -> Any:
    """Return the first of these variables that the file holds; InputError where it is no such file or holds none."""
    if not file.is_file():
        raise InputError(f"{file}: no such file; is the archive the right one, and all of it unpacked?")
    try:
        content = scipy_io.loadmat(file, appendmat=False)
    except (*_DAMAGE, scipy_io.matlab.MatReadError) as error:
        raise InputError(f"{file}: not readable as a MATLAB file ({' '.join(str(error).split())})") from None
    for name in (variable, *others):
        if name in content:
            return content[name]
    raise InputError(f"{file}: no variable {variable} in it; is the archive the right one?")
