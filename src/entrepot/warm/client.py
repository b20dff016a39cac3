"""`entrepot run` where there was no C compiler at installation: the run that python would make, cold.

Taking an image over needs the native client (client.c). This one understands the same options, finds the same
interpreter, and hands over to it by `exec`, so that process, descriptors, terminal and exit status are the program's own.
It costs one start of a bare interpreter. Other commands go to `python -m entrepot`.

hatch_build.py installs this file as the command `entrepot`, with a few lines of shell in front (HEADER there) that
start it by the interpreter beside it with -I -S. So it imports nothing but what is compiled into every interpreter.
"""

import posix
import sys

NO_NATIVE = "cold: without the native client (a C compiler at installation, Linux on x86-64) no run is warm"
AS_ASKED = "cold: as asked"
OURS = ("--cold", "--why", "--why=json", "--prepare")
TO_THE_MODULE = ("--help", "--label-output")  # what `python -m entrepot run` does
RUNS_PROGRAMS = ("run", "trace", "explain")


def main(argv: list[str]) -> int:
    """Become the program; return only if that fails, or for `--prepare`."""
    called, environment = argv[0], read_environment()
    options: set[str] = set()
    python = None
    at = 2
    if argv[1:2] != ["run"]:
        return become_module(argv, environment)
    while at < len(argv):
        word = argv[at]
        if word == "--python" and at + 1 < len(argv):
            at += 1
            python = argv[at]
        elif word.startswith("--python="):
            python = word[9:]
        elif word in TO_THE_MODULE or word == "--python":
            return become_module(argv, environment)
        elif word in OURS:
            options.add(word)
        else:
            break
        at += 1
    said = AS_ASKED if "--cold" in options or environment.get(b"ENTREPOT_WARM") == b"0" else NO_NATIVE
    if "--prepare" in options:
        print(said)
        return 3
    why = {"--why", "--why=json"}
    path, name = find_python(python, called, environment)
    if environment.get(b"ENTREPOT_LOG", b"0") != b"0" and not why & options:
        tell(f"entrepot: {said}")
    if why & options:
        state, _, reason = said.partition(": ")
        json = f'{{"schema": "entrepot-why-1", "state": "{state}", "reason": "{reason}"}}'
        stay_behind(json if "--why=json" in options else f"entrepot: {said}")
    return become(path, [name, *argv[at:]], environment)


def read_environment() -> dict[bytes, bytes]:
    """Return the environment as it was given: in the C locale Python adds LC_CTYPE to its own (PEP 538)."""
    try:
        fd = posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return dict(posix.environ)
    data = b""
    while part := posix.read(fd, 1 << 16):
        data += part
    posix.close(fd)
    return {
        name: value
        for name, equals, value in (item.partition(b"=") for item in data.split(b"\0"))
        if equals and name
    }


def find_python(asked: str | None, called: str, environment: dict[bytes, bytes]) -> tuple[str, str]:
    """Return the interpreter's path, and the name that it is started by.

    As asked for; else, if this command is what the shell finds, the `python` that the shell finds; else the one beside.
    """
    if asked is not None:
        found = None if "/" in asked else find_on_path(asked, environment)
        return found or asked, asked
    by_name = find_on_path("entrepot", environment)
    if by_name is not None and is_same(by_name, called):
        for name in ("python", "python3"):
            found = find_on_path(name, environment)
            if found is not None:
                return found, name
    return sys.executable, sys.executable


def find_on_path(name: str, environment: dict[bytes, bytes]) -> str | None:
    """Return the first program of a name on PATH."""
    for folder in environment.get(b"PATH", b"").decode(errors="surrogateescape").split(":"):
        path = f"{folder}/{name}"
        if folder and posix.access(path, posix.X_OK) and posix.stat(path).st_mode & 0o170000 == 0o100000:
            return path
    return None


def is_same(one: str, other: str) -> bool:
    """Say whether two paths lead to one file."""
    try:
        first, second = posix.stat(one), posix.stat(other)
    except OSError:
        return False
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def become_module(argv: list[str], environment: dict[bytes, bytes]) -> int:
    """Become `python -m entrepot`. Where that runs a program, it does so with the interpreter that `run` would take."""
    called, words = argv[0], argv[1:]
    if len(words) > 1 and words[0] in RUNS_PROGRAMS and words[1] not in ("-h", "--help"):
        found = find_python(None, called, environment)[0]
        if found != sys.executable:
            words[1:1] = ["--python", found]  # one that is given stands behind it, and counts
    return become(sys.executable, [sys.executable, "-P", "-m", "entrepot", *words], environment)


def become(path: str, arguments: list[str], environment: dict[bytes, bytes]) -> int:
    """Execute an interpreter; return 1, with a line on stderr, if there is none."""
    try:
        posix.execve(path, arguments, environment)
    except FileNotFoundError:
        tell(
            f"entrepot: there is no interpreter at {path}\n  to choose another:  entrepot run --python PATH ..."
        )
    except OSError as error:
        tell(f"entrepot: cannot start {path}: {error.strerror}")
    return 1


def tell(text: str) -> None:
    """Say something on stderr, if it is open."""
    try:
        posix.write(2, f"{text}\n".encode(errors="surrogateescape"))
    except OSError:
        pass


def stay_behind(said: str) -> None:
    """With --why somebody must be left to say it: return in the child, end as it ends in the parent."""
    import _signal  # type: ignore[import-not-found]

    child = posix.fork()
    if child == 0:
        return
    for number in (_signal.SIGINT, _signal.SIGQUIT):
        _signal.signal(number, _signal.SIG_IGN)
    status = posix.waitpid(child, 0)[1]
    tell(said)
    if posix.WIFSIGNALED(status):
        number = posix.WTERMSIG(status)
        if number not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(number, _signal.SIG_DFL)
        posix.kill(posix.getpid(), number)
    posix._exit(posix.WEXITSTATUS(status))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
