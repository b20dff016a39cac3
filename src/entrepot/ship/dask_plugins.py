"""Modules of a client on a Dask cluster: what runs on the scheduler (`Shelf`) and on each worker (`WorkerModules`).

With what it imports this is carried to processes that do not have entrepot (`dask_arrival`, `carried`): the standard
library, distributed, `live`, and little else.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
import uuid
from collections.abc import Sequence
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin
from distributed.protocol.pickle import dumps

from entrepot.ship import dask_arrival
from entrepot.ship.manifest import KEY, Manifest, list_blobs, pack_blobs, unpack_blobs, unpack_change
from entrepot.ship.placed import Placed, get_placed
from entrepot.ship.reports import NotTakenError, Running

# What `dask_arrival` on one process and this file on another agree upon. Raised when messages or arguments change.
PROTOCOL = 1

logger = logging.getLogger("distributed.entrepot")
# Tells whether a worker lives in the client's own process.
PROCESS = uuid.uuid4().hex
# What a worker has not done by then is told as not done.
BOUND_S = 120.0
# A worker that is just registering does not know our messages yet.
_PATIENCE_S = 20.0


class NameClashWarning(UserWarning):
    """A module of the client has the name of another one on a worker."""


class Sent:
    """Pickled, a call of a function of `dask_arrival` where entrepot need not be installed."""

    def __init__(self, function: str, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle names a callable of the process that reads it, and `eval` is the one that every process has.
        function, arguments = self.call
        names = {"text": inspect.getsource(dask_arrival), "function": function, "arguments": arguments}
        run = "exec(compile(text, 'dask_arrival.py', 'exec'), space := {'__name__': 'dask_arrival'})"
        return (eval, (f"[{run}, space[function](*arguments)][1]", names))


class _Category:
    """Pickled, NameClashWarning for a client that has it, for others a plain warning."""

    def __reduce__(self) -> tuple[Any, ...]:
        module = f"__import__('sys').modules.get({__name__!r})"
        return (eval, (f"getattr({module}, 'NameClashWarning', UserWarning)",))


def make_warning(text: str) -> dict[str, bytes]:
    """Return a NameClashWarning as clients take it (see `distributed.worker.warn`)."""
    return {"message": dumps(text), "category": dumps(_Category())}


def name_message(name: str) -> str:
    """Return what scheduler and workers call the messages about one program's modules."""
    return f"entrepot_modules:{name}"


class Shelf(SchedulerPlugin):
    """The scheduler's side: keeps the files, and tells workers which state they should run."""

    idempotent = False

    def __init__(
        self, own: bytes, name: str, origin: str, change: bytes, packed: bytes, process: str, roots: list[str]
    ) -> None:
        self.own = own  # entrepot's modules, for workers that do not have it
        self.name = name
        self.origin = origin
        manifest = unpack_change(change, None)
        assert manifest is not None
        self.manifest = manifest
        self.blobs = unpack_blobs(packed)
        self.process = process
        self.roots = roots
        self.scheduler: Any = None
        self.failed: dict[str, str] = {}  # workers that could not even begin, and why
        self.turn = asyncio.Lock()
        self.last_packed: tuple[object, bytes] = ((), b"")

    async def start(self, scheduler: Any) -> None:
        """Take the modules into the scheduler's process and have every worker take them. Raises NotTakenError."""
        self.scheduler = scheduler
        self._tell_of_another(scheduler.plugins.get(self.name))
        scheduler.handlers[name_message(self.name)] = self.handle
        own = await self._take_here()
        digest = hashlib.sha256(self.own).hexdigest()
        arguments = (self.name, self.process, self.roots)
        plugin = dumps(Sent("Arriving", PROTOCOL, name_message(self.name), digest, *arguments))
        registering = asyncio.create_task(
            scheduler.register_worker_plugin(None, plugin=plugin, name=self.name, idempotent=False)
        )
        await asyncio.wait([registering], timeout=BOUND_S)
        answers = registering.result() if registering.done() else {}
        self.failed = {
            worker: answer["exception_text"] for worker, answer in answers.items() if answer["status"] != "OK"
        }
        running = await self._ask_all(BOUND_S if answers else _PATIENCE_S, action="status")
        problems = {
            worker: plain["problems"] or [f"it runs version {plain['version'] or '(none)'}"]
            for worker, plain in {"scheduler": own.to_plain(), **running}.items()
            if plain["version"] != self.manifest.version
        }
        if problems:
            raise NotTakenError(problems=problems)

    def _tell_of_another(self, before: Any) -> None:
        """Warn where the same name stood for what may be another program."""
        if before is None or self.origin == before.origin or self.manifest == before.manifest:
            return
        self.scheduler.log_event("warn", make_warning(
            f"{self.name} stands for the modules of {self.origin} now, no longer for those of {before.origin}; "
            "if these are two programs, give each a name of its own: Modules(..., name='...')"
        ))  # fmt: skip

    async def close(self) -> None:
        """The scheduler closes: nothing is found through us any more."""
        if self.process != PROCESS:
            self._place().leave()

    def _place(self) -> Placed:
        return get_placed(self.name)

    async def _take_here(self) -> Running:
        """Bring the scheduler's own process to the present state. Where it is the client's, it has the modules."""
        if self.process == PROCESS:
            return Running("scheduler", self.manifest.version, "same")
        blobs = list_blobs(self.manifest, self.blobs, KEY)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._place().take, self.manifest, blobs, self.roots)

    async def handle(self, action: str, **message: Any) -> Any:
        """Answer clients and workers."""
        answers: dict[str, Any] = {
            "offer": self.offer,
            "publish": self.publish,
            "status": self.status,
            "get_manifest": self.get_manifest,
            "get_blobs": self.get_blobs,
            "get_carried": self.get_carried,
        }
        return await answers[action](**message)

    async def offer(self, change: bytes) -> dict[str, Any]:
        """Return whether a change begins with our state, and which files a client must send for it."""
        manifest = unpack_change(change, self.manifest)
        files = manifest.files.values() if manifest else ()
        missing = sorted({digest for digest in files if digest not in self.blobs})
        return {"begins_here": manifest is not None, "missing": missing}

    async def get_manifest(self) -> bytes:
        """Return the state that every process should run."""
        return self.manifest.pack_change(None)

    async def get_carried(self) -> bytes:
        """Return entrepot's own modules."""
        return self.own

    async def get_blobs(self, digests: Sequence[str], key: str) -> bytes:
        """Return files by their hashes, with the bytecode for Pythons of this `KEY`; those of no state are left out."""
        asked = (tuple(digests), key)
        if self.last_packed[0] != asked:  # workers that start together ask for the same
            wanted = Manifest({digest: digest for digest in digests}, ())
            self.last_packed = (asked, pack_blobs(list_blobs(wanted, self.blobs, key)))
        return self.last_packed[1]

    async def publish(self, change: bytes, packed: bytes, timeout_s: float) -> dict[str, dict[str, Any]]:
        """Make a state the one that every process should run, and return what each runs then."""
        async with self.turn:  # of two clients that publish at once one is the later, everywhere
            manifest = unpack_change(change, self.manifest)
            if manifest is None:
                raise ValueError("another client has published meanwhile; refresh again")
            return await self._publish(manifest, unpack_blobs(packed) if packed else {}, timeout_s)

    async def _publish(
        self, manifest: Manifest, blobs: dict[str, bytes], timeout_s: float
    ) -> dict[str, dict[str, Any]]:
        before = self.manifest
        self.blobs.update(blobs)
        self.manifest = manifest
        own = await self._take_here()
        answers = await self._ask_all(timeout_s, action="take", change=manifest.pack_change(before))
        # A worker that is just being placed may still ask for the state before.
        used = {digest for one in (before, manifest) for digest in one.files.values()}
        self.blobs = {name: data for name, data in self.blobs.items() if name.partition(".")[0] in used}
        return {"scheduler": own.to_plain(), **answers}

    async def status(self, timeout_s: float) -> dict[str, dict[str, Any]]:
        """Return what each process runs."""
        is_own = self.process == PROCESS
        own = Running("scheduler", self.manifest.version, "same") if is_own else self._place().look()
        return {"scheduler": own.to_plain(), **await self._ask_all(timeout_s, action="status")}

    async def _ask_all(self, timeout_s: float, **message: Any) -> dict[str, dict[str, Any]]:
        """Return what every worker answers. One that does not answer in time is told as failed."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        message["op"] = name_message(self.name)
        asked: dict[str, asyncio.Task[dict[str, Any]]] = {}
        waiting: set[Any] = set()
        while not waiting:
            new = [worker for worker in self.scheduler.workers if worker not in asked]
            if not new:
                break
            asked.update({worker: asyncio.create_task(self._ask_worker(worker, message)) for worker in new})
            _, waiting = await asyncio.wait(asked.values(), timeout=max(0.0, end - loop.time()))
        for task in waiting:
            task.cancel()  # and is not waited for: closing a connection may take as long
        late = _tell_failed(f"it did not answer within {timeout_s:g} s; it may still take what was sent")
        answers = {worker: late if task in waiting else task.result() for worker, task in asked.items()}
        return {worker: answers[worker] for worker in sorted(answers) if worker in self.scheduler.workers}

    async def _ask_worker(self, worker: str, message: dict[str, Any]) -> dict[str, Any]:
        """Ask one worker, and again while it is just starting and does not know our messages."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE_S
        while True:
            found = await self.scheduler.broadcast(msg=message, workers=[worker], on_error="return")
            answer = found[worker]
            if isinstance(answer, dict) and "version" in answer:
                return answer
            if worker in self.failed or worker not in self.scheduler.workers or loop.time() > end:
                return _tell_failed(self.failed.get(worker) or f"it did not answer: {answer}")
            await asyncio.sleep(0.1)


def _tell_failed(problem: str) -> dict[str, Any]:
    return Running("", "", "failed", problems=(problem,)).to_plain()


class WorkerModules(WorkerPlugin):
    """A worker's side: asks the scheduler for the state and for what it lacks, as it starts and after each edit."""

    def __init__(self, name: str, process: str, roots: list[str]) -> None:
        self.name = name
        self.process = process
        self.roots = roots

    async def setup(self, worker: Any) -> None:
        """Take the modules before the first task. Raises NotTakenError."""
        self.worker = worker
        self.turn = asyncio.Lock()
        # Before anything is waited for: an edit that comes meanwhile waits for its turn.
        worker.handlers[name_message(self.name)] = self.handle
        async with self.turn:
            running = await self._take(await self._ask_manifest())
        self._place().come_back()
        if running.problems:
            raise NotTakenError(problems={worker.address: list(running.problems)})
        for clash in running.clashes:
            self._warn(str(clash))

    async def teardown(self, worker: Any) -> None:
        """The plugin is removed, or the worker closes."""
        worker.handlers.pop(name_message(self.name), None)
        self._place().leave()

    def _place(self) -> Placed:
        is_own = self.process == PROCESS
        return get_placed(self.name, is_senders_process=is_own, parent=self.worker.local_directory)

    def _warn(self, text: str) -> None:
        """Tell the clients too."""
        logger.warning("%s", text)
        self.worker.log_event("warn", make_warning(text))

    async def handle(self, action: str, change: bytes = b"") -> dict[str, Any]:
        """Answer the scheduler."""
        async with self.turn:
            if action == "take":
                manifest = unpack_change(change, self._place().manifest)
                running = await self._take(manifest or await self._ask_manifest())
            else:
                running = self._place().look()
        return running.to_plain()

    async def _ask(self, **message: Any) -> Any:
        return await getattr(self.worker.scheduler, name_message(self.name))(**message)

    async def _ask_manifest(self) -> Manifest:
        manifest = unpack_change(await self._ask(action="get_manifest"), None)
        assert manifest is not None
        return manifest

    async def _take(self, manifest: Manifest) -> Running:
        """Fetch what is missing and take a state."""
        loop = asyncio.get_running_loop()
        placed = await loop.run_in_executor(None, self._place)
        missing = await loop.run_in_executor(None, placed.list_missing, manifest)
        packed = await self._ask(action="get_blobs", digests=missing, key=KEY) if missing else b""
        try:
            blobs = unpack_blobs(packed) if packed else {}
        except ValueError as error:
            return placed.describe("failed", problems=(str(error),))
        running = await loop.run_in_executor(None, placed.take, manifest, blobs, self.roots)
        plain = {**running.to_plain(), "received_bytes": len(packed)}
        return Running.from_plain(self.worker.address, plain)
