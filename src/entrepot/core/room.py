"""Room for the frames of deeply nested imports, taken once.

The interpreter keeps the frames of Python functions in chunks of 16 KiB. A call that does not fit
into the current chunk maps another one, and its return gives that back: code that happens to run at a
chunk's end pays two system calls and fresh pages for each call that it makes. Importing nests
deeper than any other code, so where the ends fall decides up to a twelfth of its time.

A chunk is at least as large as the frame it is made for, rounded up to a power of two. So a function whose
frame says that it needs a stack of 264 KiB (which it never touches: no memory is used for it)
gets a chunk of 512 KiB, and all that it calls has the other half.
"""

from entrepot.core import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

# In pointers, of 8 bytes on most machines.
STACK_SIZE = 33_000


def with_room(function: "F") -> "F":
    """Decorate a function: what it calls finds its frames' memory in place."""
    code = function.__code__.replace(co_stacksize=STACK_SIZE)
    frames.disguise_code(code)
    function.__code__ = code
    return function


frames.disguise()
