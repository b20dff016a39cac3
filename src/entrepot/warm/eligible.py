"""Which modules may be shared, and why the others may not.

Initialising a module is shared only where doing it once, elsewhere and earlier, is the same
as doing it in the run. What the observer saw it do decides; the tables below are the few
modules and libraries known to be safe although they do something that usually is not, each
with the reason. A test uses each of them hard after a fork.

Does not know: what a module does without any call that can be seen (see `observe.c`).
"""

from __future__ import annotations

import os.path

# Do something outside of the process at import and undo it before they are done.
PROBES = {
    "urllib3.util.connection": "binds a socket to ::1 and closes it, to learn whether IPv6 is there",
    "joblib._multiprocessing_helpers": "makes a named semaphore and removes it, to learn whether it can",
}

# Read the clock at import. "renewed": put right in each run by renewal/resident.py;
# "day": keep at most the date, which then is an input; "zone": ask for the time zone's names.
CLOCK = {
    "logging": "renewed",
    "_strptime": "zone",
    "pandas._libs.tslibs.strptime": "zone",
    "dateutil.parser._parser": "day",
    "numpy.f2py.rules": "renewed",
    "IPython.core.tips": "day",
}

# Look at import at what the system changes all the time.
RESTLESS = {
    "psutil._pslinux": "whether the process has files in /proc that the kernel gives to all or to none",
    "dask.system": "which number the process has",
    "distributed.system": "how much memory the machine has",
    "psutil": "renewed",  # the processors' times, which the first `cpu_percent()` counts from
}

# Take randomness at import. "renewed": renewal/resident.py gives it new randomness in each run.
RANDOM = {
    "random": "renewed",
    "numpy.random.mtrand": "renewed",
    "numpy.random._generator": "renewed",
    "numpy.random": "renewed",
    "multiprocessing.process": "renewed",
    "sympy.core.random": "renewed",
    "sympy.core.symbol": "renewed",
    "scipy.stats._new_distributions": "draws nothing that it keeps",
    "rich.style": "renewed",
    "bson.objectid": "renewed",
    "distributed.client": "renewed",
    "openai.lib.bedrock": "renewed",
    "xarray.backends.locks": "in names of locks, which mean something within the process only",
    "opentelemetry.context": "in names of keys that are compared within the process only",
    "opentelemetry.baggage": "a key, as above",
    "opentelemetry.trace.propagation": "a key, as above",
    "fastapi.telemetry._api": "a key, as above",
}

# Ask for the number of the process or the thread at import. "renewed": put right in each run.
IDENTITY = {
    "threading": "renewed",  # the main thread's native id, by arrival/resident.py
    "bson.objectid": "renewed",
    "filelock._api": "renewed",
    "filelock._unix": "while its class is registered, and not kept",
    "filelock._soft": "while its class is registered, and not kept",
    "filelock._windows": "while its class is registered, and not kept",
    "fsspec.spec": "renewed",
    "fsspec.asyn": "of a class of fsspec.spec",
    "fsspec.implementations.local": "of a class of fsspec.spec",
    "s3fs.core": "of a class of fsspec.spec",
    "gcsfs.core": "of a class of fsspec.spec",
    "huggingface_hub.hf_file_system": "of a class of fsspec.spec",
    "psutil._pslinux": "for the names of these files",
    "dask.system": "for the set of its processors, which is an input",
}

# What may be asked of the standard streams by a module that waits: where none is a terminal, as where it was prepared,
# the answer is the same, and it is handed over.
NO_TERMINAL = ("isatty", "ttyname", "tcgetattr", "terminal size")

# Shared libraries that may start threads, because they make them anew after a fork.
THREADS = {
    "libarrow": "Arrow makes its thread pools anew in a child (its own at-fork handlers)",
    "libopenblas": "OpenBLAS starts its threads again in a child (pthread_atfork)",
    "libscipy_openblas": "OpenBLAS starts its threads again in a child (pthread_atfork)",
}

# Shared libraries that read clock, process id or randomness for themselves: hash seeds, names of
# allocator threads. Nothing of it can be told from outside.
PRIVATE = (
    "libcrypto",  # its generator notices a fork
    "libssl",
    "libarrow",
    "_pydantic_core",
    "_rust.abi3",
    "_rust_notify",
    "_pendulum",
    "etree.",
    "_polars_runtime",
    "_regex.",  # how long a match takes
    "_sodium",  # asks the kernel each time
    "libmimalloc",
    "libjemalloc",
)

# Variables that libraries may read without a call that can be seen (before any of our code, or in `ld.so`).
FAMILIES = (
    "PYTHON",
    "LC_",
    "LANG",
    "TZ",
    "LD_",
    "OMP_",
    "KMP_",
    "GOMP_",
    "MKL_",
    "OPENBLAS_",
    "GOTO_",
    "BLIS_",
    "VECLIB_",
    "NUMEXPR_",
    "CUDA_",
    "NVIDIA_",
    "MALLOC_",
    "GLIBC_TUNABLES",
    "NLSPATH",
    "LOCPATH",
    "OPENSSL_",
    "SSL_CERT_",
)


def counts_always(name: str) -> bool:
    """Whether a variable is an input even when nobody was seen to read it."""
    return name.startswith(FAMILIES)


def get_thread_reason(library: str) -> str:
    """Return why a thread started from this library forbids sharing, or '' if it does not."""
    base = os.path.basename(library)
    if any(base.startswith(name) for name in THREADS):
        return ""
    if "python" in base:
        return "starts a thread"
    return f"starts a thread from {base or 'unknown code'}, which is not known to survive a fork"


def is_private(library: str) -> bool:
    """Whether a library's own reads of clock, id or randomness stay inside it."""
    base = os.path.basename(library)
    return any(word in base for word in PRIVATE)
