"""The path of the mount."""

from __future__ import annotations

from typing import Any

from tables import each_row

from cloaca_tools.ui.guard.prefix import Prefix

CASES = [
    # path, root_path, app_root_path, X-Forwarded-Prefix -> root_path, path
    ("/runs", "", "", "", "", "/runs"),
    ("/a/runs", "/a", "", "", "/a", "/a/runs"),  # the root is in the path
    ("/runs", "/a", "", "", "/a", "/a/runs"),  # it is not
    ("/a", "/a", "", "", "/a", "/a/"),
    ("/a/runs", "/a/", "", "", "/a", "/a/runs"),
    ("/ab/runs", "/a", "", "", "/a", "/a/ab/runs"),  # begins like the root by chance
    ("/in/runs", "/a/in", "/a", "", "/a/in", "/a/in/runs"),  # mounted within, root left out
    ("/a/in/runs", "/a/in", "/a", "", "/a/in", "/a/in/runs"),
    ("/runs", "", "", "/p", "/p", "/p/runs"),
    ("/in/runs", "/in", "", "/p/", "/p/in", "/p/in/runs"),
    ("/runs", "", "", "//evil.example", "", "/runs"),
    ("/runs", "", "", "/a/..", "", "/runs"),
    ("/runs", "", "", "http://evil.example", "", "/runs"),
]


@each_row(("path", "root", "outer", "header", "wanted_root", "wanted"), CASES)
async def test_the_path_begins_with_the_mount(
    path: str, root: str, outer: str, header: str, wanted_root: str, wanted: str
) -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)

    headers = [(b"x-forwarded-prefix", header.encode())] if header else []
    scope = {"type": "http", "path": path, "root_path": root, "headers": headers}
    if outer:
        scope["app_root_path"] = outer
    await Prefix(app, forwarded=True)(scope, None, None)  # type: ignore[arg-type]  # neither is called

    assert (seen["root_path"], seen["path"]) == (wanted_root, wanted)
