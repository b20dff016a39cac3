"""A client's own modules on every worker of a Dask cluster, present and future.

    modules = Modules("main.py")
    client.register_plugin(modules)
    ...                                 # edit a file
    print(modules.refresh())            # every worker runs the edit, or says why it does not

The client sends each file to the scheduler once; the scheduler keeps it, for its own process (it unpickles graphs) and
for the workers, which ask for the hashes that they do not have. A worker that is started later, or again, asks as
it registers, before it gets a task. An edit travels alone.

One class for `register_plugin` (a SchedulerPlugin, as distributed's UploadDirectory is); on the scheduler it registers
the WorkerPlugin. Nothing needs to be done by nannies: the processes that they start again register anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Sequence
from typing import Any

from entrepot.errors import SetupError
from entrepot.ship.collect import collect
from entrepot.ship.manifest import KEY, Manifest, Sender, list_blobs, pack_blobs, unpack_blobs, unpack_change
from entrepot.ship.placed import Placed, get_placed
from entrepot.ship.reach import find_entry
from entrepot.ship.reports import NotTakenError, Refreshed, Running
from entrepot.ship.same_files import Files


class NoDaskError(SetupError):
    """distributed is not installed."""

    def __str__(self) -> str:
        return "entrepot.ship.dask needs Dask's distributed\n  to install it:  pip install 'entrepot[dask]'"


try:
    from distributed import get_client
    from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin
    from distributed.protocol.pickle import dumps
except ImportError as error:
    raise NoDaskError() from error

logger = logging.getLogger("distributed.entrepot")
# Tells whether a worker lives in the client's own process.
_PROCESS = uuid.uuid4().hex
# A worker that is just registering does not know our messages yet.
_PATIENCE_S = 20.0


class NameClashWarning(UserWarning):
    """A module of the client has the name of another one on a worker."""


def _name_message(name: str) -> str:
    return f"entrepot_modules:{name}"


class Modules(SchedulerPlugin):
    """A client's own modules, for `client.register_plugin`.

    Args:
        entry: a script, or a folder with a `__main__.py`; its modules are those that it reaches. None with `module`.
        module: instead, what `python -m MODULE` runs.
        add: modules to send though no text names them. data: patterns of files to send, beside the entry point.
        paths: further folders of own modules. name: one for each program on a cluster (default: the entry's).

    Raises:
        NoEntryError: there is no such script or module.
    """

    idempotent = False

    def __init__(
        self,
        entry: str | os.PathLike[str] | None = None,
        *,
        module: str | None = None,
        add: Sequence[str] = (),
        data: Sequence[str] = (),
        paths: Sequence[str] = (),
        name: str | None = None,
    ) -> None:
        self.entry = find_entry(None if entry is None else os.fspath(entry), module, paths)
        self.options: dict[str, Any] = {"added": tuple(add), "data": tuple(data), "folders": tuple(paths)}
        label = os.path.basename(self.entry.path) if module is None else module
        self.name = name or f"entrepot-modules-{label}"
        self.sender = Sender()
        self.files: Files | None = None
        self._read()

    def _read(self) -> None:
        """Take the present state of the program's files."""
        if self.files is None or not self.files.are_same(self._find_before):
            self.contents = collect(self.entry, **self.options)
        self.files = Files(self.contents)
        self.manifest = self.sender.take(self.contents)
        self._paths = {item.file: path for path, item in self.contents.files.items()}

    def _find_before(self, file: str) -> bytes | None:
        digest = self.manifest.files.get(self._paths.get(file, ""), "")
        return self.sender.blobs.get(digest)

    @property
    def roots(self) -> list[str]:
        """The client's folders of own modules."""
        return list(
            dict.fromkeys([os.path.dirname(self.entry.path), *map(os.path.abspath, self.options["folders"])])
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The scheduler gets the blobs, and nothing of the client's machine.
        packed = pack_blobs(list_blobs(self.manifest, self.sender.blobs, KEY))
        return (Shelf, (self.name, self.manifest.pack_change(None), packed, _PROCESS, self.roots))

    def refresh(self, client: Any = None) -> Any:
        """Send what has changed since, have every process follow it, and return a `Refreshed`.

        Each worker takes an edit whole or not at all. client: the one to use, if not the current one; with an
        asynchronous client this returns a coroutine.

        Raises:
            NoEntryError: the entry point is gone. OSError: a file cannot be read.
        """
        client = client or get_client()
        before = self.manifest
        self._read()
        return client.sync(self._publish, client, before)

    def status(self, client: Any = None) -> Any:
        """Return a `Refreshed` that says which process runs which version, with name clashes; nothing is changed."""
        client = client or get_client()
        return client.sync(self._ask_status, client)

    async def _publish(self, client: Any, before: Manifest) -> Refreshed:
        change = self.manifest.pack_change(before)
        missing = await self._call(client, action="offer", change=change)
        if missing is None:  # another client has published since
            change = self.manifest.pack_change(None)
            missing = await self._call(client, action="offer", change=change)
        wanted = Manifest({digest: digest for digest in missing}, ())
        packed = pack_blobs(list_blobs(wanted, self.sender.blobs, KEY)) if missing else b""
        answer = await self._call(client, action="publish", change=change, packed=packed)
        return _read_answer(self.manifest.version, answer, len(packed))

    async def _ask_status(self, client: Any) -> Refreshed:
        answer = await self._call(client, action="status")
        return _read_answer(self.manifest.version, answer, 0)

    async def _call(self, client: Any, **message: Any) -> Any:
        return await getattr(client.scheduler, _name_message(self.name))(**message)


def _read_answer(version: str, answer: dict[str, dict[str, Any]], sent_bytes: int) -> Refreshed:
    running = {worker: Running.from_plain(worker, plain) for worker, plain in answer.items()}
    return Refreshed(version, running, sent_bytes)


class Shelf(SchedulerPlugin):
    """The scheduler's side: keeps the files, and tells workers which state they should run."""

    idempotent = False

    def __init__(self, name: str, change: bytes, packed: bytes, process: str, roots: list[str]) -> None:
        self.name = name
        self.given = (name, change, packed, process, roots)
        manifest = unpack_change(change, None)
        assert manifest is not None
        self.manifest = manifest
        self.blobs = unpack_blobs(packed)
        self.process = process
        self.roots = roots
        self.scheduler: Any = None
        self.turn = asyncio.Lock()
        self.last_packed: tuple[object, bytes] = ((), b"")

    def __reduce__(self) -> tuple[Any, ...]:
        return (Shelf, self.given)

    async def start(self, scheduler: Any) -> None:
        """Take the modules into the scheduler's process and have every worker take them. Raises NotTakenError."""
        self.scheduler = scheduler
        scheduler.handlers[_name_message(self.name)] = self.handle
        own = await self._take_here()
        plugin = dumps(WorkerModules(self.name, self.process, self.roots))
        await scheduler.register_worker_plugin(None, plugin=plugin, name=self.name, idempotent=False)
        running = await self._ask_all(action="status")
        problems = {
            worker: plain["problems"] or [f"it runs version {plain['version'] or '(none)'}"]
            for worker, plain in {"scheduler": own.to_plain(), **running}.items()
            if plain["version"] != self.manifest.version
        }
        if problems:
            raise NotTakenError(problems=problems)

    async def close(self) -> None:
        """The scheduler closes: nothing is found through us any more."""
        if self.process != _PROCESS:
            self._place().leave()

    def _place(self) -> Placed:
        return get_placed(self.name)

    async def _take_here(self) -> Running:
        """Bring the scheduler's own process to the present state. Where it is the client's, it has the modules."""
        if self.process == _PROCESS:
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
        }
        return await answers[action](**message)

    async def offer(self, change: bytes) -> list[str] | None:
        """Return which files a client must send for a change; None where it begins with another state than ours."""
        manifest = unpack_change(change, self.manifest)
        if manifest is None:
            return None
        return sorted({digest for digest in manifest.files.values() if digest not in self.blobs})

    async def get_manifest(self) -> bytes:
        """Return the state that every process should run."""
        return self.manifest.pack_change(None)

    async def get_blobs(self, digests: Sequence[str], key: str) -> bytes:
        """Return files by their hashes, with the bytecode for Pythons of this `KEY`; those of no state are left out."""
        asked = (tuple(digests), key)
        if self.last_packed[0] != asked:  # workers that start together ask for the same
            wanted = Manifest({digest: digest for digest in digests}, ())
            self.last_packed = (asked, pack_blobs(list_blobs(wanted, self.blobs, key)))
        return self.last_packed[1]

    async def publish(self, change: bytes, packed: bytes) -> dict[str, dict[str, Any]]:
        """Make a state the one that every process should run, and return what each runs then."""
        async with self.turn:  # of two clients that publish at once one is the later, everywhere
            manifest = unpack_change(change, self.manifest)
            if manifest is None:
                raise ValueError("another client has published meanwhile; refresh again")
            return await self._publish(manifest, unpack_blobs(packed) if packed else {})

    async def _publish(self, manifest: Manifest, blobs: dict[str, bytes]) -> dict[str, dict[str, Any]]:
        before = self.manifest
        self.blobs.update(blobs)
        self.manifest = manifest
        own = await self._take_here()
        answers = await self._ask_all(action="take", change=manifest.pack_change(before))
        # A worker that is just being placed may still ask for the state before.
        used = {digest for one in (before, manifest) for digest in one.files.values()}
        self.blobs = {name: data for name, data in self.blobs.items() if name.partition(".")[0] in used}
        return {"scheduler": own.to_plain(), **answers}

    async def status(self) -> dict[str, dict[str, Any]]:
        """Return what each process runs."""
        is_own = self.process == _PROCESS
        own = Running("scheduler", self.manifest.version, "same") if is_own else self._place().look()
        return {"scheduler": own.to_plain(), **await self._ask_all(action="status")}

    async def _ask_all(self, **message: Any) -> dict[str, dict[str, Any]]:
        """Ask every worker, those that are just starting again until they know how to answer."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE_S
        answers: dict[str, dict[str, Any]] = {}
        message["op"] = _name_message(self.name)
        while True:
            waiting = [worker for worker in self.scheduler.workers if worker not in answers]
            found = await self.scheduler.broadcast(msg=message, workers=waiting, on_error="return")
            failed = {}
            for worker, answer in found.items():
                if isinstance(answer, dict) and "version" in answer:
                    answers[worker] = answer
                else:
                    failed[worker] = answer
            failed = {worker: answer for worker, answer in failed.items() if worker in self.scheduler.workers}
            if not failed or loop.time() > end:
                break
            await asyncio.sleep(0.1)
        for worker, answer in failed.items():
            told = Running(worker, "", "failed", problems=(f"it did not answer: {answer}",))
            answers[worker] = told.to_plain()
        return {worker: answers[worker] for worker in sorted(answers)}


class WorkerModules(WorkerPlugin):
    """A worker's side: asks the scheduler for the state and for what it lacks, as it starts and after each edit."""

    def __init__(self, name: str, process: str, roots: list[str]) -> None:
        self.name = name
        self.process = process
        self.roots = roots

    def __reduce__(self) -> tuple[Any, ...]:
        return (WorkerModules, (self.name, self.process, self.roots))

    async def setup(self, worker: Any) -> None:
        """Take the modules before the first task. Raises NotTakenError."""
        self.worker = worker
        self.turn = asyncio.Lock()
        # Before anything is waited for: an edit that comes meanwhile waits for its turn.
        worker.handlers[_name_message(self.name)] = self.handle
        async with self.turn:
            running = await self._take(await self._ask_manifest())
        self._place().come_back()
        if running.problems:
            raise NotTakenError(problems={worker.address: list(running.problems)})
        for clash in running.clashes:
            self._warn(str(clash))

    async def teardown(self, worker: Any) -> None:
        """The plugin is removed, or the worker closes."""
        worker.handlers.pop(_name_message(self.name), None)
        self._place().leave()

    def _place(self) -> Placed:
        is_own = self.process == _PROCESS
        return get_placed(self.name, is_senders_process=is_own, parent=self.worker.local_directory)

    def _warn(self, text: str) -> None:
        """Tell the clients too (as `distributed.worker.warn` does from tasks)."""
        logger.warning("%s", text)
        told = {"message": dumps(text), "category": dumps(NameClashWarning)}
        self.worker.log_event("warn", told)

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
        return await getattr(self.worker.scheduler, _name_message(self.name))(**message)

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
