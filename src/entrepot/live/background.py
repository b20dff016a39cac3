"""A thread that waits for saves and has them applied.

Saves are told by inotify; where that is not to be had, the files are looked at every quarter of a second. Editors write in
several steps, and several files may be saved together: an update waits until nothing has happened for a moment and every
source that was written to is closed. Who only looks cannot see that: there an update waits until two looks have found the
same, and a source that has become empty is waited for longer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence

from entrepot.live import session
from entrepot.live.inotify import Watch
from entrepot.live.report import Report
from entrepot.live.tracker import Tracker
from entrepot.live.watcher import look_at_changed

INTERVAL_S = 0.25
QUIET_S = 0.02
LONGEST_S = 0.2  # a program that writes into its own folder all the time does not put an update off for ever,
WRITING_S = 3.0  # nor does one that leaves a source open, or empty


def _wait_until_saved(watch: Watch) -> None:
    """Wait until a save that has begun is there as a whole."""
    started = time.monotonic()
    while (waited_s := time.monotonic() - started) < (WRITING_S if watch.writing else LONGEST_S):
        if not watch.wait(QUIET_S) and not watch.writing:
            return
    if waited_s >= WRITING_S:
        watch.writing.clear()


def _is_empty(path: str) -> bool:
    try:
        return not os.stat(path).st_size
    except OSError:
        return False


def _wait_until_still(
    tracker: Tracker, stop: threading.Event, interval_s: float
) -> dict[str, tuple[int, int]]:
    """Wait until two looks find what changed the same, and no file empty; return the last look."""
    started = time.monotonic()
    before = look_at_changed(tracker)
    while before and time.monotonic() - started < WRITING_S and not stop.wait(interval_s):
        now = look_at_changed(tracker)
        if now == before and all(size for _, size in now.values()):
            break
        before = now
    return before


def refresh_on_change(
    safe_point: Callable[[Callable[[], Report]], object] | None = None, *, interval_s: float | None = None
) -> Callable[[], None]:
    """Apply every save from a thread; returns what stops it.

    `safe_point` is called with the function that applies (for a program that wants to do so at a moment of its own:
    `loop.call_soon_threadsafe` is one). Without it the thread applies at once, between two bytecodes of the others.
    With `interval_s` the files are looked at so often, instead of waiting to be told.
    """
    stop = threading.Event()
    current = session.get_session()
    disturbed_s = 0.0  # when files were first written to while they were read, since the last update

    def are_whole(files: Sequence[str]) -> bool:
        """Whether nobody has begun to write these files since the save that is being applied. Else there is another try."""
        nonlocal disturbed_s
        if watch is None or (disturbed_s and time.monotonic() - disturbed_s > WRITING_S):
            disturbed_s = 0.0
            return True
        names = {os.fsencode(os.path.basename(file)) for file in files}
        if any(map(_is_empty, files)):
            time.sleep(QUIET_S)  # a file that is being emptied is seen to be empty before anybody is told
        if names.isdisjoint(watch.take()) and names.isdisjoint(name for _, name in watch.writing):
            disturbed_s = 0.0
            return True
        disturbed_s = disturbed_s or time.monotonic()
        watch.wake()
        return False

    def refresh() -> Report:
        return current.refresh(are_whole)

    def apply() -> None:
        if session.current is not current:
            stop.set()
        elif safe_point is not None:
            safe_point(refresh)
        else:
            refresh()

    def poll() -> None:
        pause_s = interval_s or INTERVAL_S
        tried: dict[str, tuple[int, int]] = {}
        while not stop.wait(pause_s):
            seen = _wait_until_still(current.tracker, stop, pause_s)
            # Else it was refused, and nothing has been saved since.
            if not seen or seen.items() - tried.items():
                apply()
            tried = seen

    def wait_for_saves(watch: Watch) -> None:
        try:
            while not stop.is_set():
                is_new = watch.add(folders())
                # In a new folder something may have been saved before it was watched.
                if watch.wait(0 if is_new else INTERVAL_S) or is_new or disturbed_s:
                    _wait_until_saved(watch)
                    apply()
        finally:
            watch.close()

    def folders() -> list[str]:
        return [*current.tracker.given, *current.tracker.folders]

    def run() -> None:
        if watch is not None:
            try:
                wait_for_saves(watch)
            except OSError:
                apply()
            else:
                return
        poll()

    watch: Watch | None = None
    if interval_s is None:
        try:
            watch = Watch()
            watch.add(folders())
        except OSError:
            if watch is not None:
                watch.close()
            watch = None
    thread = threading.Thread(target=run, name="entrepot.live", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        if watch is not None:
            watch.wake()
        if thread is not threading.current_thread():
            thread.join(2)

    return end
