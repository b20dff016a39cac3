"""A program with an ORM: methods of mapped classes follow, what became tables and relations is refused whole."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import entrepot.live as live

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
BASE = "from sqlalchemy.orm import DeclarativeBase\nclass Base(DeclarativeBase):\n    pass\n"
MODELS = """\
from __future__ import annotations
from sqlalchemy import ForeignKey, String, create_engine, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship
from orm_base import Base
SIZE = 30
class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(SIZE))
    posts: Mapped[list[Post]] = relationship(back_populates="author")
    def greet(self):
        return "hello " + self.name
class Post(Base):
    __tablename__ = "post"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    author: Mapped[User] = relationship(back_populates="posts")
engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
def add(name):
    with Session(engine) as session:
        session.add(User(name=name, posts=[Post(text="p")]))
        session.commit()
def tell():
    with Session(engine) as session:
        return [(user.greet(), [post.text for post in user.posts]) for user in session.scalars(select(User))]
"""
TAG = "class Tag(Base):\n    __tablename__ = 'tag'\n    id: Mapped[int] = mapped_column(primary_key=True)\n"


class Program:
    """The program while it runs."""

    def __init__(self, root: Path) -> None:
        import orm_models

        self.root = root
        self.models: Any = orm_models

    def save(self, text: str, name: str = "orm_models") -> Any:
        """Save a module and refresh."""
        (self.root / f"{name}.py").write_text(text)
        return live.refresh()


@pytest.fixture
def program(draw: Callable[..., Path], need: Callable[[object, str], None], monkeypatch) -> Iterator[Program]:
    """A user with one post, in a database in memory."""
    try:
        import sqlalchemy.orm  # noqa: F401
    except ImportError:
        need(None, "sqlalchemy")
    root = draw({"orm_base.py": BASE})
    (root / "orm_models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    live.start(paths=[str(root)])
    made = None
    try:
        made = Program(root)
        made.models.add("ann")
        assert made.models.tell() == [("hello ann", ["p"])]
        yield made
        made.models.engine.dispose()
    finally:
        live.stop()
        for name in ("orm_base", "orm_models"):
            sys.modules.pop(name, None)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ResourceWarning
            )  # for databases of engines that an update has replaced
            made = None
            gc.collect()


def test_methods_and_properties_of_mapped_classes_follow(program: Program):
    """Changed, added and taken out, in the class itself and in its base; queries and relations go on."""
    user, models = program.models.User(name="bob"), program.models
    more = MODELS.replace("hello", "hi").replace(
        "    def greet",
        "    @property\n    def loud(self): return super().__getattribute__('name').upper()\n    def greet",
    )

    assert program.save(more).ok
    assert (user.greet(), user.loud, models.tell()) == ("hi bob", "BOB", [("hi ann", ["p"])])
    assert program.save(MODELS).ok
    assert (user.greet(), hasattr(user, "loud")) == ("hello bob", False)
    assert program.save(BASE.replace("pass", "def kind(self): return type(self).__name__"), "orm_base").ok
    assert (user.kind(), type(user) is models.User) == ("User", True)
    assert models.tell() == [("hello ann", ["p"])]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    text: Mapped[str]\n", "    text: Mapped[str]\n    more: Mapped[str | None]\n"),
        ("    text: Mapped[str]\n", ""),
        ("SIZE = 30", "SIZE = 40"),
        ('"post"', '"posting"'),
        ('back_populates="posts")', 'back_populates="posts", lazy="joined")'),
        ("class Post(Base):", "class Mixin:\n    pass\nclass Post(Mixin, Base):"),
    ],
)
def test_what_became_tables_is_refused_whole(program: Program, before: str, after: str):
    """Columns, tables and relations: the class is named, nothing changes, and the next good edit takes effect."""
    report = program.save(MODELS.replace("hello", "hi").replace(before, after))

    assert not report.ok
    assert "SQLAlchemy has made its model" in str(report)
    assert "restart the program" in str(report)
    assert program.models.tell() == [("hello ann", ["p"])]
    assert list(program.models.Post.__table__.c.keys()) == ["id", "text", "author_id"]
    assert program.save(MODELS.replace("hello", "hi")).ok
    assert program.models.tell() == [("hi ann", ["p"])]


def test_a_new_model_comes_whole_and_cannot_go(program: Program):
    """After an update that failed its table is not in the way; a model that is taken out is refused."""
    failed = program.save(MODELS + TAG + "1 / 0\n")
    tables = sorted(program.models.Base.metadata.tables)
    added = program.save(MODELS + TAG)

    assert not failed.ok
    assert tables == ["post", "user"]
    assert added.ok, added
    assert program.models.Tag.__table__.name == "tag"
    assert "model Tag is gone" in str(program.save(MODELS))
