"""Give shared modules what they took from clock and chance, as if they had just been initialised.

    renew_late("random", module) for one module, when a run gets it
    renew_all(sys.modules)       for all that a run starts with

Every name in `RENEWALS` has a line in the tables of `eligible.py` and the other way round: a
module that takes time or randomness at import is shared only because it is put right here.

Resident: uses the module that it renews and what that module has imported, nothing else.
"""

import posix
import sys
import time

TYPE_CHECKING = False  # typing is not loaded in a bare interpreter
if TYPE_CHECKING:
    from typing import Any


def _random(module) -> None:  # type: ignore[no-untyped-def]
    module._inst.seed()


def _numpy_mtrand(module) -> None:  # type: ignore[no-untyped-def]
    # The global generator keeps its identity; the legacy seeding wants 624 words of entropy.
    words = [int.from_bytes(posix.urandom(4), "little") for _ in range(8)]
    module._rand.seed(words)


def _process(module) -> None:  # type: ignore[no-untyped-def]
    current = module._current_process
    if type(current).__name__ == "_MainProcess":
        current._config["authkey"] = module.AuthenticationString(posix.urandom(32))
    try:
        module.ORIGINAL_DIR = posix.getcwd()
    except OSError:
        module.ORIGINAL_DIR = None


def _logging(module) -> None:  # type: ignore[no-untyped-def]
    # 3.13 keeps nanoseconds, before that seconds.
    module._startTime = time.time_ns() if isinstance(module._startTime, int) else time.time()


def _sympy_random(module) -> None:  # type: ignore[no-untyped-def]
    module.rng.seed()
    module._assumptions_rng.seed()


def _sympy_symbol(module) -> None:  # type: ignore[no-untyped-def]
    dummy = module.Dummy
    # Dummies that sympy itself made at import keep their numbers: hashes of expressions contain them.
    dummy._prng.seed()
    dummy._base_dummy_index = dummy._prng.randint(10**6, 9 * 10**6)


def _f2py_rules(module) -> None:  # type: ignore[no-untyped-def]
    if "SOURCE_DATE_EPOCH" in module.os.environ:
        return
    before = module.time.asctime(module.time.gmtime(module.generationtime))
    module.generationtime = int(time.time())
    now = module.time.asctime(module.time.gmtime(module.generationtime))
    module.module_rules["modulebody"] = module.module_rules["modulebody"].replace(before, now)


def _psutil(module) -> None:  # type: ignore[no-untyped-def]
    # Older versions keep the times themselves, newer ones those of each thread.
    thread = module.threading.current_thread().ident
    for kind, is_each in (("cpu", False), ("per_cpu", True)):
        try:
            now = module.cpu_times(percpu=is_each)
        except Exception:
            now = None  # as when it is imported
        for name in (f"_last_{kind}_times", f"_last_{kind}_times_2"):
            is_by_thread = type(getattr(module, name)) is dict
            setattr(module, name, ({} if now is None else {thread: now}) if is_by_thread else now)


def _rich_style(module) -> None:  # type: ignore[no-untyped-def]
    # Links are numbered from here, so that those of two programs differ in a terminal.
    if type(module._id_generator) is module.count:
        module._id_generator = module.count(module.getrandbits(24))


def _bson_objectid(module) -> None:  # type: ignore[no-untyped-def]
    kind = module.ObjectId
    kind._inc = module.SystemRandom().randint(0, module._MAX_COUNTER_VALUE)
    kind._ObjectId__random = module._random_bytes()
    kind._pid = posix.getpid()


def _filelock_api(module) -> None:  # type: ignore[no-untyped-def]
    module._FORK_STATE.pid = posix.getpid()  # else it takes the run for a child of what made the image


def _fsspec_spec(module) -> None:  # type: ignore[no-untyped-def]
    # Each class forgets its instances where the number is not its process's.
    classes, current = [module.AbstractFileSystem], posix.getpid()
    for kind in classes:
        kind._pid = current
        classes += kind.__subclasses__()


def _distributed_client(module) -> None:  # type: ignore[no-untyped-def]
    # In the names of futures, which are unique in a cluster.
    if type(module.Future._uid) is str:
        module.Future._uid = module.uuid.uuid4().hex


def _openai_bedrock(module) -> None:  # type: ignore[no-untyped-def]
    module._LEGACY_SIGNATURE_KEY = posix.urandom(len(module._LEGACY_SIGNATURE_KEY))


def _threading(module) -> None:  # type: ignore[no-untyped-def]
    thread = module._main_thread
    if thread._stderr is sys.__stderr__ and sys.stderr is not sys.__stderr__:
        thread._stderr = sys.stderr


SEEDS: "list[Any]" = []  # what seeds the generators (`random.Random`) that were seeded by chance for the image

RENEWALS = {
    "random": _random,
    "numpy.random.mtrand": _numpy_mtrand,
    "multiprocessing.process": _process,
    "logging": _logging,
    "sympy.core.random": _sympy_random,
    "sympy.core.symbol": _sympy_symbol,
    "numpy.f2py.rules": _f2py_rules,
    "psutil": _psutil,
    "rich.style": _rich_style,
    "bson.objectid": _bson_objectid,
    "distributed.client": _distributed_client,
    "filelock._api": _filelock_api,
    "fsspec.spec": _fsspec_spec,
    "openai.lib.bedrock": _openai_bedrock,
}
LATE_RENEWALS = {"threading": _threading}  # of modules that a program gets after it has begun


def renew_late(name: str, module: object) -> None:
    """Put right a module that has waited, for the program as it is when it gets it."""
    renew(name, module)
    renew(name, module, LATE_RENEWALS)


def renew(name: str, module: object, renewals: "dict[str, Any]" = RENEWALS) -> None:
    """Put one module right. One that is not as we know it is left alone."""
    renewal = renewals.get(name)
    if renewal is None or module is None:
        return
    try:
        renewal(module)
    except (AttributeError, KeyError, TypeError):
        pass  # another version of the library: it has no such thing to renew


def renew_all(modules) -> None:  # type: ignore[no-untyped-def]
    """Put right every module of a run that needs it, and the generators that modules have made and not used."""
    for name in RENEWALS:
        renew(name, modules.get(name))
    for seed in SEEDS:
        seed()
