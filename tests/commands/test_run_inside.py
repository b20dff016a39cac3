"""What a program does inside of itself, by python, by `entrepot run` cold, and warm: no difference.

Each program imports what it uses first, so that a warm run has it from its image, and then works with it. The warm
runs must really be warm (WARMED_STRICT).
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from both_ways import PLAIN, Outcome, make_environment, run
from native import NEEDS_NATIVE

WARMED = Path(__file__).parent.parent / "support" / "warmed.py"
COLD = (sys.executable, "-m", "entrepot", "run", "--cold")
WARM = (sys.executable, str(WARMED))

pytestmark = NEEDS_NATIVE


@pytest.fixture(autouse=True, scope="module")
def store(tmp_path_factory):
    """A store for this file alone; emptied with its keeper at the end."""
    path = tmp_path_factory.mktemp("store")
    path.chmod(0o700)
    yield path
    command = [sys.executable, "-m", "entrepot", "warm", "stop"]
    subprocess.run(
        command, env=make_environment({"ENTREPOT_DIR": str(path)}), check=True, capture_output=True
    )


def compare(store: Path, folder: Path, *arguments: str, **surroundings) -> Outcome:
    """Run by python, cold and warm; return what all came to."""
    env = {"ENTREPOT_DIR": str(store), "CI": None, "WARMED_STRICT": "1", **surroundings.pop("env", {})}
    # Python's own runs get the same variables: a program can see them.
    plain, *ours = (
        run([*way, *arguments], cwd=folder, env=env, **surroundings) for way in (PLAIN, COLD, WARM)
    )
    for name, outcome in zip(("cold", "warm"), ours, strict=True):
        assert (name, outcome.status, outcome.out, mask(outcome.err)) == (
            name,
            plain.status,
            plain.out,
            mask(plain.err),
        )
    return plain


def mask(text: bytes) -> bytes:
    """Take addresses out: a dump names the thread by its address."""
    return re.sub(rb"0x[0-9a-f]+", b"0x", text)


PROGRAMS = {
    "multiprocessing by fork": """
        import multiprocessing, warnings
        def work(n): return n * n
        def put(queue, n): queue.put(n)
        if __name__ == "__main__":
            warnings.simplefilter("ignore")
            context = multiprocessing.get_context("fork")
            with context.Pool(2) as pool: print(pool.map(work, range(9)))
            queue = context.Queue()
            process = context.Process(target=put, args=(queue, "x"), name="child"); process.start()
            print(queue.get(), process.name, process.daemon); process.join(); print(process.exitcode)
        """,
    "multiprocessing by spawn": """
        import multiprocessing
        def work(n): return n * n, __name__
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(2) as pool: print(pool.map(work, range(5)))
        """,
    "multiprocessing by forkserver": """
        import multiprocessing
        def work(n): return n * n, __name__
        if __name__ == "__main__":
            with multiprocessing.get_context("forkserver").Pool(2) as pool: print(pool.map(work, range(5)))
        """,
    "executors": """
        import concurrent.futures, threading
        def work(n): return n + 1
        if __name__ == "__main__":
            with concurrent.futures.ThreadPoolExecutor(4) as pool: print(list(pool.map(work, range(20))))
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=__import__("multiprocessing").get_context("spawn")) as pool:
                print(list(pool.map(work, range(4))))
            print(threading.active_count(), threading.main_thread() is threading.current_thread())
        """,
    "processes": """
        import os, signal, subprocess, sys
        print(subprocess.run(["cat"], input=b"x" * 300000, capture_output=True).stdout.count(b"x"))
        print(subprocess.run("echo $0; exit 4", shell=True, capture_output=True))
        child = subprocess.Popen(["sleep", "50"]); child.send_signal(signal.SIGTERM); print(child.wait())
        print(subprocess.check_output([sys.executable, "-c", "import sys; print(sys.argv, sys.flags.optimize)", "a"]))
        read, write = os.pipe()
        print(subprocess.run(["sh", "-c", f"echo through >&{write}"], pass_fds=[write]).returncode, os.read(read, 99))
        print(os.system("exit 3") >> 8, os.popen("echo popen").read(), os.spawnlp(os.P_WAIT, "true", "true"))
        """,
    "asyncio": """
        import asyncio, signal, socket, os
        async def serve(reader, writer):
            writer.write((await reader.readline()).upper()); await writer.drain(); writer.close()
        async def main():
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\\n"); print(await reader.read()); writer.close(); server.close()
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            print(await process.communicate(b"piped"), process.returncode)
            print(await asyncio.gather(*(asyncio.sleep(0.01 * n, n) for n in range(4))), await asyncio.to_thread(sum, [1, 2]))
            loop = asyncio.get_running_loop(); got = loop.create_future()
            loop.add_signal_handler(signal.SIGUSR1, got.set_result, "signal"); os.kill(os.getpid(), signal.SIGUSR1); print(await got)
            try:
                async with asyncio.timeout(0.01): await asyncio.sleep(9)
            except TimeoutError as error: print(repr(error))
        asyncio.run(main())
        """,
    "threads": """
        import threading, queue, time, sys, _thread
        local = threading.local(); lock = threading.RLock(); results = queue.Queue()
        def work(n):
            local.n = n
            with lock: results.put((threading.current_thread().name, local.n))
        threads = [threading.Thread(target=work, args=(n,), name=f"T{n}") for n in range(5)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(sorted(results.get() for _ in threads), hasattr(local, "n"), threading.active_count(), sys.getswitchinterval())
        print(threading.main_thread().native_id == threading.get_native_id(), threading.main_thread().ident == _thread.get_ident())
        threading.excepthook = lambda a: print("hook", a.exc_type.__name__, a.thread.name)
        thread = threading.Thread(target=lambda: 1 / 0, name="bad"); thread.start(); thread.join()
        timer = threading.Timer(0.01, print, ["timer"]); timer.start(); timer.join()
        condition = threading.Condition(); condition.acquire(); print(condition.wait(0.01), threading.stack_size())
        """,
    "ctypes": """
        import ctypes, ctypes.util, os
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.getpid() == os.getpid(), libc.getppid() == os.getppid(), libc.abs(-5), libc.close(999), ctypes.get_errno())
        compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
        numbers = (ctypes.c_int * 5)(5, 1, 4, 2, 3)
        libc.qsort(numbers, 5, ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0])); print(list(numbers))
        libc.getenv.restype = ctypes.c_char_p
        os.environ["FROM_PYTHON"] = "seen by C"; print(libc.getenv(b"FROM_PYTHON"), libc.getenv(b"GIVEN"))
        print(ctypes.pythonapi.Py_IsInitialized(), ctypes.c_char_p.in_dll(libc, "environ") is not None)
        """,
    "locale": """
        import locale, time, os
        print(locale.setlocale(locale.LC_ALL), locale.getlocale(), locale.getpreferredencoding(), locale.localeconv()["decimal_point"])
        print(locale.setlocale(locale.LC_ALL, ""), locale.strcoll("a", "b"), time.strftime("%A %B", time.gmtime(0)))
        os.environ["TZ"] = "Asia/Tokyo"; time.tzset(); print(time.tzname, time.localtime(0).tm_hour)
        """,
    "decimal contexts": """
        import decimal, threading
        print(decimal.getcontext(), decimal.DefaultContext)
        decimal.getcontext().prec = 5; print(decimal.Decimal(1) / 3)
        with decimal.localcontext() as context: context.prec = 50; print(decimal.Decimal(2).sqrt())
        decimal.DefaultContext.prec = 7; decimal.setcontext(decimal.DefaultContext)
        thread = threading.Thread(target=lambda: print(decimal.Decimal(1) / 7)); thread.start(); thread.join()
        """,
    "warnings": """
        import warnings, json, collections
        def warn(text, category=UserWarning): warnings.warn(text, category)
        for _ in range(3): warn("once for each place")
        warn("deprecated", DeprecationWarning); warn("soon", PendingDeprecationWarning)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always"); warn("caught"); warn("caught")
        print(len(seen), sorted(map(str, __warningregistry__)), len(warnings.filters), warnings.filters)
        warnings.simplefilter("error")
        try: warn("raised")
        except UserWarning as error: print(repr(error))
        import re; print(eval(compile("'' is ''", "x", "eval")) if False else "end")
        """,
    "logging": """
        import logging, logging.handlers, os, sys, time
        with open("/proc/self/stat") as file: ticks = int(file.read().rpartition(")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        began = logging._startTime / (1e9 if logging._startTime > 1e12 else 1)  # nanoseconds since 3.13
        print(0 <= time.time() - began <= age_s + 0.02)
        record = logging.makeLogRecord({}); print(record.process == os.getpid(), record.threadName, record.processName, record.name)
        logging.basicConfig(format="%(levelname)s %(name)s %(message)s", stream=sys.stdout); logging.getLogger("a.b").warning("w %s", 1)
        handler = logging.handlers.MemoryHandler(10, target=logging.StreamHandler()); logging.getLogger("m").addHandler(handler)
        logging.getLogger("m").error("flushed at exit"); print(logging.root.level, logging.Logger.manager.disable)
        """,
    "garbage collection": """
        import gc, weakref, json, decimal
        print(gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.garbage, gc.callbacks, gc.get_freeze_count())
        class Node: pass
        node = Node(); node.own = node; ref = weakref.ref(node); del node; print(ref() is None, gc.collect() >= 1, ref() is None)
        seen = []; gc.callbacks.append(lambda phase, info: seen.append(phase)); gc.collect(); print(seen)
        gc.disable(); gc.set_threshold(5, 5, 5); print(gc.isenabled(), gc.get_threshold())
        """,
    "recursion": """
        import sys, json
        def depth(n=0):
            try: return depth(n + 1)
            except RecursionError: return n
        print(sys.getrecursionlimit(), depth()); sys.setrecursionlimit(3000); print(depth())
        try: json.loads("[" * 100000)
        except RecursionError as error: print(error)
        import inspect; print(len(inspect.stack()), sys._getframe().f_back)
        """,
    "tracing and profiling": """
        import sys, cProfile, pstats, trace, io, threading
        events = []
        def follow(frame, event, value): events.append((event, frame.f_code.co_name, frame.f_lineno)); return follow
        def work(n):
            total = 0
            for i in range(n): total += i
            return total
        sys.settrace(follow); work(2); sys.settrace(None); print(events)
        events.clear(); sys.setprofile(follow); work(1); sys.setprofile(None); print([e[:2] for e in events])
        profile = cProfile.Profile(); profile.runcall(work, 5); print(pstats.Stats(profile, stream=io.StringIO()).total_calls)
        tracer = trace.Trace(count=1, trace=0); tracer.runfunc(work, 3)
        print(sorted((line, number) for (file, line), number in tracer.results().counts.items() if file == __file__))
        print(sys.gettrace(), sys.getprofile(), threading.gettrace() if hasattr(threading, "gettrace") else None)
        """,
    "tracing memory": """
        import tracemalloc, json
        print(tracemalloc.is_tracing()); tracemalloc.start(); data = [bytes(1000) for _ in range(100)]
        current, peak = tracemalloc.get_traced_memory(); print(current > 100_000, tracemalloc.get_object_traceback(data[5])[0].lineno)
        """,
    "faulthandler": """
        import faulthandler, signal, os, sys
        print(faulthandler.is_enabled()); faulthandler.register(signal.SIGUSR1); os.kill(os.getpid(), signal.SIGUSR1)
        faulthandler.enable(); sys.stderr.flush(); faulthandler.dump_traceback(all_threads=False)
        """,
    "audit hooks": """
        import sys, tempfile, os, json
        seen = []
        sys.addaudithook(lambda event, args: seen.append(event) if event in ("open", "import", "compile", "exec", "os.listdir") else None)
        open(__file__).close(); os.listdir("."); compile("1", "x", "eval"); exec("2")
        print(seen)
        """,
    "signals": """
        import signal, os, time, select
        signal.signal(signal.SIGALRM, lambda *a: print("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.02); signal.pause()
        read, write = os.pipe(); os.set_blocking(write, False); signal.set_wakeup_fd(write)
        signal.signal(signal.SIGUSR2, lambda *a: None); os.kill(os.getpid(), signal.SIGUSR2); print(os.read(read, 9) == bytes([signal.SIGUSR2]))
        signal.set_wakeup_fd(-1); signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); os.kill(os.getpid(), signal.SIGUSR1)
        print(signal.sigpending(), signal.sigwait([signal.SIGUSR1])); print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGPIPE))
        try: os.kill(os.getpid(), signal.SIGINT); time.sleep(5)
        except KeyboardInterrupt: print("interrupted")
        """,
    "forking": """
        import os, sys, threading, warnings, atexit, random, signal
        warnings.simplefilter("ignore"); atexit.register(lambda: print("exit of", "parent" if os.getpid() == me else "child", flush=True))
        me = os.getpid(); os.register_at_fork(before=lambda: print("before", flush=True), after_in_child=lambda: print("in child", flush=True))
        if os.fork() == 0: sys.exit(5)
        print(os.waitstatus_to_exitcode(os.wait()[1])); first = random.random(); read, write = os.pipe()
        if os.fork() == 0: os.write(write, str(random.random()).encode()); os._exit(0)
        os.wait(); print(float(os.read(read, 99)) != random.random())
        if os.fork() == 0: os.setsid(); os.kill(os.getpid(), signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
        """,
    "itself": """
        import inspect, linecache, pickle, dataclasses, typing, sys, importlib, json, traceback, __main__
        @dataclasses.dataclass
        class Point: x: int; y: "typing.Optional[int]" = None
        def f(a, *, b=1): "doc"; return a
        print(inspect.getsource(f), inspect.signature(f), typing.get_type_hints(Point), pickle.loads(pickle.dumps(Point(1))) == Point(1))
        print(sys.modules["__main__"] is __main__, __main__.__spec__, __builtins__.__name__, __annotations__, __loader__.name, __file__)
        print(importlib.reload(json) is json, importlib.import_module("json.tool").__name__, linecache.getline(__file__, 2))
        try: f()
        except TypeError: traceback.print_exc(file=sys.stdout); print(traceback.format_stack())
        print(globals().keys(), dir())
        """,
    "names that a late import brings": """
        import json
        print("first")
        import csv, email.message, collections.abc, xml.etree.ElementTree as tree
        from importlib import resources, metadata
        def later():
            import fractions
            from concurrent import futures
            return fractions.Fraction(1, 3), futures.__name__
        print(later(), tree.fromstring("<a><b/></a>")[0].tag, csv.list_dialects(), email.message.Message().get_default_type())
        try: import nowhere_to_be_found
        except ImportError as error: print(error, error.name)
        """,
    "native libraries": """
        import sqlite3, ssl, hashlib, zlib, lzma, bz2, socket, select, mmap, array, struct, unicodedata, pyexpat, datetime, zoneinfo, ctypes
        base = sqlite3.connect(":memory:"); base.execute("create table t (a)"); base.executemany("insert into t values (?)", [(1,), (2,)])
        print(base.execute("select sum(a) from t").fetchone(), ssl.create_default_context().verify_mode, hashlib.sha256(b"x").hexdigest()[:9])
        print([m.decompress(m.compress(b"y" * 9999)) == b"y" * 9999 for m in (zlib, lzma, bz2)], mmap.mmap(-1, 99).read(3))
        a, b = socket.socketpair(); a.sendall(b"pair"); poll = select.epoll(); poll.register(b, select.EPOLLIN); print(poll.poll(1)[0][1], b.recv(9))
        print(unicodedata.name("é"), datetime.datetime(2020, 7, 1, tzinfo=zoneinfo.ZoneInfo("UTC")).isoformat())
        """,
    "streams in Python": """
        import io, os, sys, contextlib
        print(sys.stdin.buffer.peek(3)[:3], sys.stdin.readline(), next(sys.stdin), sys.stdin.buffer.read(4), sys.stdin.read())
        with contextlib.redirect_stdout(io.StringIO()) as text: print("caught")
        print(repr(text.getvalue()), sys.stdout is sys.__stdout__, sys.stdout.fileno(), sys.stdout.buffer.raw.name, sys.stdout.mode)
        saved = os.dup(1); os.dup2(2, 1); print("to stderr", flush=True); os.dup2(saved, 1)
        sys.stdout.reconfigure(line_buffering=True, errors="replace", newline="\\r\\n"); print("ä", sys.stdout.errors)
        sys.stdout = open(1, "w", closefd=False); print("another object for the same descriptor"); sys.stdout.detach()
        """,
    "names of errors": """
        import sys, json
        sys.excepthook = lambda kind, error, trace: (print("hook", kind, error), sys.__excepthook__(kind, error, trace))
        sys.unraisablehook = lambda a: print("unraisable", a.exc_type)
        class Bad:
            def __del__(self): raise ValueError("in del")
        Bad(); json.loads("{")
        """,
    "interactive console on a pipe": """
        import code, sys
        code.interact(banner="begin", readfunc=lambda prompt="": sys.stdin.readline().rstrip("\\n") or (_ for _ in ()).throw(EOFError),
                      exitmsg="end", local={"x": 41})
        """,
    "debugger on a pipe": """
        import pdb, json
        x = 41
        pdb.set_trace()
        print("after", x)
        """,
}  # fmt: skip
STDIN = {
    "streams in Python": b"first\nsecond\nbinary, then the rest\nof it",
    "interactive console on a pipe": b"x + 1\nundefined\nimport json\n",
    "debugger on a pipe": b"p x\nn\nw\nc\n",
}
STATUS = {"names of errors": 1, "streams in Python": 120}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_does_what_it_does_in_python(store, tmp_path, name):
    """Output, errors and status are Python's, to the letter."""
    (tmp_path / "main.py").write_text(textwrap.dedent(PROGRAMS[name]).lstrip())

    outcome = compare(
        store, tmp_path, "main.py", stdin=STDIN.get(name, b""), env={"GIVEN": "in the beginning"}
    )

    assert outcome.status == STATUS.get(name, 0), outcome.text


OPTIONS = [
    ["-O"], ["-OO"], ["-B"], ["-E"], ["-I"], ["-s"], ["-S"], ["-u"], ["-b"], ["-P"], ["-q"], ["-Wall"], ["-W", "error"],
    ["-X", "utf8=0"], ["-X", "no_debug_ranges"], ["-X", "int_max_str_digits=0"],
]  # fmt: skip
LOOK = """
import decimal, sys, warnings
def f(): "docstring"; return 1
print(sys.flags, f.__doc__, __debug__, sys.warnoptions, sys._xoptions, sys.path[1:], sys.dont_write_bytecode, 'site' in sys.modules)
warnings.warn("x", DeprecationWarning) if sys.warnoptions != ["error"] else None
print(sys.get_int_max_str_digits(), sys.getfilesystemencoding(), sys.stdout.write_through, sys.stdout.line_buffering)
assert not decimal
"""


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_interpreters_options_are_the_interpreters(store, tmp_path, options):
    """An option before the program is passed to an interpreter of that kind."""
    (tmp_path / "main.py").write_text(LOOK)

    compare(store, tmp_path, *options, "main.py")


MODULES = {
    "cProfile": ["-m", "cProfile", "-s", "ncalls", "main.py"],
    "pdb": ["-m", "pdb", "main.py"],
    "trace": ["-m", "trace", "--count", "--missing", "-C", "covered", "main.py"],
    "unittest": ["-m", "unittest", "-v", "tests"],
    "doctest": ["-m", "doctest", "-v", "main.py"],
    "json.tool": ["-m", "json.tool", "data.json"],
    "zipfile": ["-m", "zipfile", "-t", "archive.zip"],
    "tokenize": ["-m", "tokenize", "main.py"],
    "dis": ["-m", "dis", "main.py"],
    "calendar": ["-m", "calendar", "2024", "2"],
    "runpy": ["-m", "runpy", "package"],
    "package": ["-m", "package", "-x"],
    "asyncio": ["-m", "asyncio"],
    "code": ["-m", "code", "-q"],
    "this": ["-m", "this"],
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_that_run_programs_run_them(store, tmp_path, name):
    """Debuggers, profilers and test runners, given by -m, work on the program as ever."""
    (tmp_path / "main.py").write_text(
        '"""\n>>> 1 + 1\n2\n"""\nimport json\ndef f(): return 1\nprint(f(), json.dumps([1]))\n'
    )
    (tmp_path / "tests.py").write_text(
        "import unittest\nclass T(unittest.TestCase):\n def test_a(self): pass\n def test_b(self): self.skipTest('why')\n"
    )
    (tmp_path / "data.json").write_text('{"b": [1, 2]}')
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text(
        "import sys, csv\nprint(__name__, __package__, sys.argv[1:])\n"
    )
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("x", "y")
    # A prompt writes its history into the home directory.
    env = {"ENTREPOT_DIR": str(store), "CI": None, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path)}
    stdin = b"n\nn\nn\nn\nq\n" if name == "pdb" else b"1 + 1\n"

    outcomes = [
        run([*way, *MODULES[name]], cwd=tmp_path, env=env, stdin=stdin) for way in (PLAIN, COLD, WARM)
    ]

    assert mask_times(outcomes[1]) == mask_times(outcomes[0])
    assert mask_times(outcomes[2]) == mask_times(outcomes[0])


def mask_times(outcome: Outcome) -> tuple[int, str]:
    """Take times, addresses and the number of calls out of what a run printed."""
    text = re.sub(r"0x[0-9a-f]+|\d+\.\d{3}s?", "#", outcome.text)
    text = re.sub(r"(?m)^ .*\{.*\}$|^ +\d+.*(frozen|\.py:).*$|^ +\d+ function calls.*$", "", text)
    return outcome.status, re.sub(r"\n+", "\n", text)
