"""A joined file runs alone and does what the script did."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.errors import Refused
from entrepot.refactor.join import plan_join

APP = {
    "main.py": '''
        #!/usr/bin/env python3
        """The usage."""
        from __future__ import annotations

        import inspect
        import pickle
        import pkgutil
        import importlib.resources
        import sys
        import traceback

        import shop
        from shop import cart, total


        class Main:
            def here(self) -> Undefined:
                return 1


        def run():
            print(__doc__, __name__, sys.argv[1:], Main.here.__annotations__)
            print(inspect.getsource(total), inspect.getsource(Main), inspect.getsource(run)[:9])
            print(pickle.loads(pickle.dumps(Main())).here(), total.__module__, shop.cart is cart)
            print(sorted(m.name for m in pkgutil.iter_modules(shop.__path__)))
            print((importlib.resources.files("shop") / "data.txt").read_text(), pkgutil.get_data("shop", "data.txt"))
            try:
                cart.fail()
            except ValueError:
                traceback.print_exc()
            print(importlib.import_module("shop.plugins.one").NAME)
            raise SystemExit(3 if len(sys.argv) > 1 else cart.fail())


        if __name__ == "__main__":
            run()
    ''',
    "shop/__init__.py": """
        print("shop")
        from .cart import total
    """,
    "shop/cart.py": '''
        import shop.stock  # a cycle


        def total():
            r"""It's a "total": \\d \'\'\' and the other quotes"""
            return 3


        def fail():
            raise ValueError("é")
    ''',
    "shop/stock.py": "from . import cart\nprint('stock', hasattr(cart, 'total'))\n",
    "shop/plugins/one.py": "NAME = __name__\n",
    "shop/data.txt": "data",
}


def run(path: Path, *arguments: str, flags: tuple[str, ...] = ("-I", "-S")) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, *flags, str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def joined(draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The program above and `out.py` beside it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = draw(APP, "app")
    plan_join(str(root / "main.py"), str(root / "out.py")).apply()
    return root


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("x",), ()])
def test_output_tracebacks_and_status_are_the_script_s(joined: Path, arguments: tuple[str, ...]) -> None:
    """Beside the originals not a byte differs, with an exit status or an unhandled error."""
    assert run(joined / "out.py", *arguments) == run(joined / "main.py", *arguments, flags=())


@pytest.mark.slow
@pytest.mark.parametrize("flags", [("-I",), ("-I", "-S")])
def test_it_runs_alone(joined: Path, tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Elsewhere, without the originals, it prints the same with the files' own names."""
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    (joined / "out.py").rename(alone / "out.py")
    wanted = run(joined / "main.py", "x", flags=())
    status, out, error = run(alone / "out.py", "x", flags=flags)
    assert (status, out, error.replace(str(alone), str(joined))) == wanted


@pytest.mark.slow
def test_a_module_called_like_the_library_s(
    draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A local `token.py` is the program's, and tracebacks still print."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = draw(
        {
            "main.py": "import token\nprint(token.MINE)\ntoken.fail()\n",
            "token.py": "MINE = 1\ndef fail():\n    1 / 0\n",
        },
        "app",
    )
    plan_join(str(root / "main.py"), str(root / "out.py")).apply()
    status, out, error = run(root / "out.py")
    assert (status, out) == (1, "1\n")
    assert "in fail\n    1 / 0\n" in error
    assert "ZeroDivisionError" in error


def test_the_same_program_gives_the_same_bytes(draw: Callable[..., Path]) -> None:
    """Nothing of the machine, the time or an order of sets gets in."""
    root = draw(APP, "app")
    plans = [plan_join(str(root / "main.py"), str(root / "out.py")) for _ in range(2)]
    assert plans[0].changes == plans[1].changes
    assert str(root).encode() not in (plans[0].changes[0].after or b"")


def test_the_script_is_not_overwritten(draw: Callable[..., Path]) -> None:
    """`-o` naming the script itself is refused."""
    root = draw({"main.py": "print(1)"})
    with pytest.raises(Refused, match="overwrite"):
        plan_join(str(root / "main.py"), str(root / "main.py"))


def test_a_compiled_module_is_refused_or_left_out(draw: Callable[..., Path]) -> None:
    """Needed: refused with the place. Inside `try`: left out and reported."""
    root = draw(
        {
            "main.py": "import fast\n",
            "fast.so": b"",
            "soft.py": "try:\n    import fast\nexcept ImportError:\n    fast = None\n",
        }
    )
    with pytest.raises(Refused, match="compiled"):
        plan_join(str(root / "main.py"), str(root / "out.py"))
    assert "compiled" in str(plan_join(str(root / "soft.py"), str(root / "out.py")).notes[0])
