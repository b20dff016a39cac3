"""Waiting until something is saved, by Linux's inotify(7), called through ctypes.

`Watch` waits for events in folders (not those inside them); the caller looks for itself what changed. Raises OSError
where there is no inotify or no more watches are to be had: then the caller looks at the files now and then.
"""

from __future__ import annotations

import os
import select
import stat
import struct
import threading
from collections.abc import Iterable, Iterator

# From <sys/inotify.h>.
_MODIFY, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x8, 0x40, 0x80, 0x100, 0x200
_WANTED = _MODIFY | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_HEAD = struct.Struct("iIII")  # struct inotify_event: watch, mask, cookie, length of the name


class Watch:
    """The watched folders of one process; close it when done.

    writing: sources that have been written to and not been closed yet (watch, name). What stands in them is half a save:
        an editor, or `open(path, "w")`, empties a file first.
    """

    def __init__(self) -> None:
        import ctypes

        try:
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._get_errno = ctypes.get_errno
            self._descriptor = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        except AttributeError:
            raise OSError("this system has no inotify") from None
        if self._descriptor < 0:
            raise OSError(self._get_errno(), os.strerror(self._get_errno()))
        self._wakes = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closing = threading.Lock()  # a descriptor that was closed may be somebody else's
        self._folders: dict[str, int] = {}  # folder -> its watch
        self.writing: set[tuple[int, bytes]] = set()

    def add(self, folders: Iterable[str]) -> bool:
        """Watch these folders too; whether any is new. Those that are gone are left out. Raises OSError when there are too many."""
        before = len(self._folders)
        for folder in set(folders) - self._folders.keys():
            number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder or "."), _WANTED)
            if number >= 0:
                self._folders[folder] = number
            elif os.path.isdir(folder or "."):
                raise OSError(self._get_errno(), os.strerror(self._get_errno()), folder)
        return len(self._folders) > before

    def wait(self, timeout_s: float) -> bool:
        """Wait until something happens in a folder; False when nothing did for so long, or somebody said `wake`."""
        ready = select.select([self._descriptor, self._wakes], [], [], timeout_s)[0]
        if self._wakes in ready:
            os.eventfd_read(self._wakes)
        if self._descriptor not in ready:
            return False
        self.take()
        return True

    def take(self) -> set[bytes]:
        """Take note of what has happened, without waiting; returns the names. Also for another thread, also when closed."""
        names: set[bytes] = set()
        with self._closing:
            while self._descriptor >= 0:
                try:
                    data = os.read(self._descriptor, 1 << 16)
                except BlockingIOError:
                    break
                for watch, mask, name in _parse(data):
                    names.add(name)
                    if name.endswith(b".py") and (
                        mask & _MODIFY or (mask & _CREATE and self._will_close(watch, name))
                    ):
                        self.writing.add((watch, name))
                    elif mask & (_CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _DELETE):
                        self.writing.discard((watch, name))
        return names

    def _will_close(self, watch: int, name: bytes) -> bool:
        """Whether what was created is a file that somebody has open, and not a link: Emacs locks `x.py` by a link `.#x.py`."""
        for folder, number in self._folders.items():
            if number == watch:
                try:
                    made = os.lstat(os.path.join(os.fsencode(folder or "."), name))
                except OSError:
                    return False
                return stat.S_ISREG(made.st_mode) and made.st_nlink == 1
        return False

    def wake(self) -> None:
        """End a wait, now or the next one. For another thread."""
        with self._closing:
            if self._wakes >= 0:
                os.eventfd_write(self._wakes, 1)

    def close(self) -> None:
        """Watch no longer."""
        with self._closing:
            os.close(self._descriptor)
            os.close(self._wakes)
            self._descriptor = self._wakes = -1
            self.writing.clear()


def _parse(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield watch, mask and name of each event."""
    at = 0
    while at < len(data):
        watch, mask, _, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield watch, mask, data[at : at + length].rstrip(b"\0")
        at += length
