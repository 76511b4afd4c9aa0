"""How inner functions of hot loops are compiled.

They allocate nothing, so that arrays need not be counted (counting took half of the tracker's time), and divide as
NumPy does. What they return to a function that counts, one that is compiled by plain `njit`, must be numbers.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])

_njit: Any = numba.njit


def inner(function: _Function) -> _Function:
    """Compile a function that only compiled code calls, into its callers.

    A door to Python takes longer to compile than most of these. A call would push every array of its arguments, seven
    numbers and more each: a third of the tracker's time.
    """
    return _njit(error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)(
        function
    )


def leaf(function: _Function) -> _Function:
    """Compile a function that calls none of another file: it has a door to Python, and its code is kept."""
    return _njit(cache=True, error_model="numpy", _nrt=False)(function)


def leaf_of_sums(function: _Function) -> _Function:
    """The same; the compiler may choose the order of sums, which lets it add several at a time."""
    return _njit(cache=True, error_model="numpy", _nrt=False, fastmath={"reassoc", "contract"})(function)


def maker(function: _Function) -> _Function:
    """Compile a function that makes arrays, or parts of arrays, for another one that counts; into its callers."""
    return _njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)(function)
