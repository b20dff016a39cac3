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

import os
import socket
from collections.abc import Sequence
from typing import Any

from entrepot.errors import SetupError
from entrepot.ship import carried
from entrepot.ship.collect import collect
from entrepot.ship.manifest import KEY, Manifest, Sender, list_blobs, pack_blobs
from entrepot.ship.reach import find_entry
from entrepot.ship.reports import NotTakenError, Refreshed, Running
from entrepot.ship.same_files import Files


class NoDaskError(SetupError):
    """distributed is not installed."""

    def __str__(self) -> str:
        return "entrepot.ship.dask needs Dask's distributed\n  to install it:  pip install 'entrepot[dask]'"


try:
    from distributed import get_client
    from distributed.diagnostics.plugin import SchedulerPlugin
except ImportError as error:
    raise NoDaskError() from error

from entrepot.ship.dask_plugins import (  # noqa: E402
    BOUND_S,
    PROCESS,
    PROTOCOL,
    NameClashWarning,
    Sent,
    name_message,
)

__all__ = ["Modules", "NameClashWarning", "NoDaskError"]


class Modules(SchedulerPlugin):
    """A client's own modules, for `client.register_plugin`.

    Args:
        entry: a script, or a folder with a `__main__.py`; its modules are those that it reaches. None with `module`.
        module: instead, what `python -m MODULE` runs.
        add: modules to send though no text names them. data: patterns of files to send, beside the entry point.
        paths: further folders of own modules. name: one for each program on a cluster (default: the entry's file name).

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
        own = carried.pack()
        change = self.manifest.pack_change(None)
        packed = self._pack_all()
        origin = f"{socket.gethostname()}:{self.entry.path}"
        sent = Sent("make_shelf", PROTOCOL, own, self.name, origin, change, packed, PROCESS, self.roots)
        return sent.__reduce__()

    def _pack_all(self) -> bytes:
        return pack_blobs(list_blobs(self.manifest, self.sender.blobs, KEY))

    def refresh(self, client: Any = None, *, timeout_s: float = BOUND_S) -> Any:
        """Send what has changed since, have every process follow it, and return a `Refreshed`.

        Each worker takes an edit whole or not at all. client: the one to use, if not the current one; with an
        asynchronous client this returns a coroutine. timeout_s: a worker that has not answered by then is told as
        failed. A scheduler that was started anew is sent all.

        Raises:
            NoEntryError: the entry point is gone. OSError: a file cannot be read.
        """
        client = client or get_client()
        before = self.manifest
        self._read()
        return client.sync(self._publish, client, before, timeout_s)

    def status(self, client: Any = None, *, timeout_s: float = BOUND_S) -> Any:
        """Return a `Refreshed` that says which process runs which version, with name clashes; nothing is changed."""
        client = client or get_client()
        return client.sync(self._ask_status, client, timeout_s)

    async def _publish(self, client: Any, before: Manifest, timeout_s: float) -> Refreshed:
        change = self.manifest.pack_change(before)
        answer = await self._call(client, action="offer", change=change)
        if answer is None:
            return await self._register_again(client, timeout_s)
        if not answer["begins_here"]:  # another client has published since
            change = self.manifest.pack_change(None)
            answer = await self._call(client, action="offer", change=change)
        missing = answer["missing"]
        wanted = Manifest({digest: digest for digest in missing}, ())
        packed = pack_blobs(list_blobs(wanted, self.sender.blobs, KEY)) if missing else b""
        answer = await self._call(client, action="publish", change=change, packed=packed, timeout_s=timeout_s)
        return _read_answer(self.manifest.version, answer, len(packed))

    async def _register_again(self, client: Any, timeout_s: float) -> Refreshed:
        """Send all to a scheduler that has been started anew."""
        try:
            await client.register_plugin(self)
        except NotTakenError as error:
            if "scheduler" in error.problems:
                raise
        return await self._ask_status(client, timeout_s, len(self._pack_all()))

    async def _ask_status(self, client: Any, timeout_s: float, sent_bytes: int = 0) -> Refreshed:
        answer = await self._call(client, action="status", timeout_s=timeout_s)
        if answer is None:
            text = "it does not have these modules; client.register_plugin sends them, and so does refresh()"
            answer = {"scheduler": Running("scheduler", "", "failed", problems=(text,)).to_plain()}
        return _read_answer(self.manifest.version, answer, sent_bytes)

    async def _call(self, client: Any, **message: Any) -> Any:
        """Return what our plugin on the scheduler answers; None where there is none."""
        return await getattr(client.scheduler, name_message(self.name))(**message)


def _read_answer(version: str, answer: dict[str, dict[str, Any]], sent_bytes: int) -> Refreshed:
    running = {worker: Running.from_plain(worker, plain) for worker, plain in answer.items()}
    return Refreshed(version, running, sent_bytes)
