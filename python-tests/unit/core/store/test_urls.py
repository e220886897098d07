"""The scheme of a URL is told from a part of a file's name."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from tables import each_row

from cloaca_core.store.urls import may_have_scheme, passwords_in, scheme_of, url_of


@each_row(
    ("scheme", "url"),
    [
        ("sqlite", "sqlite://work.db"),
        ("sqlite", "SQLITE:///work.db"),
        ("file", "file:work.db"),  # known, so no slashes are needed
        ("mysql", "mysql://host/work"),  # slashes, so it need not be known
        ("a+b.c-d", "a+b.c-d://"),
        (None, "work.db"),
        (None, ":memory:"),
        (None, "data:2026.db"),
        (None, "data:/2026.db"),
        (None, "C:\\work.db"),  # a letter is a drive
        (None, "C://work.db"),
        (None, "dir/file:work.db"),
        (None, ""),
    ],
)
def test_a_word_is_a_scheme_if_slashes_follow_or_if_it_is_known(
    scheme: str | None, url: str
) -> None:
    assert scheme_of(url, ("sqlite", "file")) == scheme


@each_row(
    ("expected", "url"),
    [
        (True, "mysql://host/work"),
        (True, "data:2026.db"),  # it depends on what is known
        (False, "work.db"),
        (False, ":memory:"),
        (False, "C:\\work.db"),
        (False, "dir/file:work.db"),
    ],
)
def test_only_a_word_before_a_colon_may_be_a_scheme(expected: bool, url: str) -> None:
    assert may_have_scheme(url) is expected


@each_row(
    ("path", "url"),
    [
        (Path("/data/work.db"), "sqlite:////data/work.db"),
        (Path("work.db"), "sqlite://./work.db"),
        (Path("~/work.db"), "sqlite://~/work.db"),
        (Path("/a b?mode=ro#%.db"), "sqlite:////a%20b%3Fmode%3Dro%23%25.db"),
        (Path(":memory:"), "sqlite://./%3Amemory%3A"),
        (Path("user:secret@host.db"), "sqlite://./user%3Asecret%40host.db"),
        (PurePosixPath("postgresql://host/work"), "sqlite://./postgresql%3A/host/work"),
        (Path(os.fsdecode(b"\xff.db")), "sqlite://./%FF.db"),
    ],
)
def test_a_path_is_a_file_whatever_it_looks_like(path: os.PathLike[str], url: str) -> None:
    assert url_of(path) == url


@each_row("url", ["work.db", "postgresql://host/work", ""])
def test_a_text_stays_as_it_is(url: str) -> None:
    assert url_of(url) == url


@each_row(
    ("url", "found"),
    [
        ("sqlite:///work.db", set()),
        ("sqlite:////home/ann@home/a:b.db", set()),
        ("work@home.db", set()),
        ("postgresql://app@host/db", set()),
        ("postgresql://app:s3cret@host:5432/db", {"s3cret"}),
        ("postgresql://app:p%40ss%3Aword@a:1,b:2/db", {"p%40ss%3Aword", "p@ss:word"}),
        ("postgresql://app:@host/db", set()),
        ("postgresql://host/db?user=app&password=s3%24cret", {"s3%24cret", "s3$cret"}),
        ("postgresql://app:one@host/db?sslpassword=two&PASSWORD=three", {"one", "two", "three"}),
        ("postgresql://[app:s3cret@host", set()),  # no URL: its backend refuses it
    ],
)
def test_the_passwords_of_a_url_are_found_as_written_and_as_meant(
    url: str, found: set[str]
) -> None:
    assert passwords_in(url) == found
