"""The name of the database at the foot of the page."""

from __future__ import annotations

from tables import each_row

from cloaca_tools.ui.site.database_name import database_name, short_url


@each_row(
    ("url", "backend", "expected"),
    [
        ("sqlite:///shop.db", "sqlite", "shop.db · SQLite"),
        ("sqlite://orders.db", "sqlite", "orders.db · SQLite"),
        ("~/orders.db", "sqlite", "orders.db · SQLite"),
        ("orders.db", "sqlite", "orders.db · SQLite"),
        ("sqlite://data/orders.db?x=a/b", "sqlite", "orders.db · SQLite"),
        ("sqlite:////srv/secret%20folder/my%20shop.db?mode=rwc", "sqlite", "my shop.db · SQLite"),
        ("sqlite:///C:\\data\\shop.db", "sqlite", "shop.db · SQLite"),
        ("sqlite://", "sqlite", "SQLite"),
        (
            "postgresql://ann:secret@db.example:5432/shop?schema=a",
            "postgres",
            "shop · PostgreSQL",
        ),
        ("postgresql://ann:secret@db.example", "postgres", "PostgreSQL"),
    ],
)
def test_it_has_neither_folder_nor_host_nor_password(url: str, backend: str, expected: str) -> None:
    assert database_name(url, backend) == expected


@each_row(
    ("url", "backend", "expected"),
    [
        ("sqlite:////srv/secret/my%20shop.db?mode=rwc", "sqlite", "sqlite://my%20shop.db"),
        ("postgresql://ann:secret@db.example/shop", "postgres", "postgresql://…/shop"),
    ],
)
def test_nor_has_the_url_for_a_first_run(url: str, backend: str, expected: str) -> None:
    assert short_url(url, backend) == expected
