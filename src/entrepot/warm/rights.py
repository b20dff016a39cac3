"""With which rights this process runs, and as which kind of machine: always an input of what modules do at import.

Whether a file can be read, who is told to be the user, and which libraries are for this machine depend on them, and no
call that asks need be made for that.
"""

from __future__ import annotations

import os


def read_rights() -> str:
    """Return one text, as client_checks.c makes it: user, group, capabilities, user namespace, machine, groups."""
    users = os.stat("/proc/self/ns/user").st_ino if os.path.exists("/proc/self/ns/user") else 0
    parts = [os.geteuid(), os.getegid(), _read_capabilities(), users, os.uname().machine, *os.getgroups()]
    return " ".join(map(str, parts))


def _read_capabilities() -> str:
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name == "CapEff":
                return value.strip()
    return ""
