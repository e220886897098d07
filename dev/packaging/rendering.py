"""Renders the packaging files of each distribution from ``templates/`` and ``VERSION``.

``templates/rendered.sha256`` has the digests of the last rendering. A file that differs from it was
edited by hand and is backed up before it is replaced; one that is only out of date is not. The
templates alone decide the text of a file. In handwritten pages only the version in install commands
is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from dev import project
from dev.console import TaskFailed, say, step
from dev.docs import pages
from dev.files import digest, write_atomically
from dev.packaging.awaiting import Awaiting, formatted
from dev.project import ROOT, Distribution

SUFFIX = ".j2"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One file as the templates render it."""

    path: Path
    template: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Drift:
    """One file that differs from its template, and the kind of difference."""

    name: str
    reason: str


# Digests of the last rendering, in the form that ``sha256sum --check`` reads.
MANIFEST = ROOT / "templates" / "rendered.sha256"
_MANIFEST_LINE = re.compile(r"^(?P<digest>[0-9a-f]{64})  (?P<name>.+)$", re.MULTILINE)
BACKUPS = ROOT / ".backups"


# -- the tasks -----------------------------------------------------------------------------------


def generate(backend: str | None = None) -> list[str]:
    """Bring every rendered file up to date; return the names of changed files."""
    step(f"rendering {_what(backend)} for version {project.version()}")
    rendered = list(render(backend))
    written = [name_of(each.path) for each in rendered if _put(each)]
    written += [_put_page(path, text) for path, text in pages.outdated()]
    removed = [name for name in _orphans(rendered) if _remove(name)]
    text = _manifest(rendered)
    if _manifest_on_disk() != text:
        write_atomically(MANIFEST, text.encode())
    say(f"{len(rendered)} files, {len(written)} written, {len(removed)} removed")
    return written + removed


def check(backend: str | None = None) -> None:
    """Fail with the list of files that differ from their templates; writes nothing."""
    step(f"comparing {_what(backend)} with the templates")
    found = drift(backend)
    if found:
        lines = "\n".join(f"  {each.name}: {each.reason}" for each in found)
        raise TaskFailed(
            f"{len(found)} generated file(s) drifted; edit the template if need be and run "
            f"`python tasks.py generate`:\n{lines}"
        )
    say("no drift")


def drift(backend: str | None = None) -> list[Drift]:
    """All generated files that are missing, different, or no longer have a template."""
    rendered = list(render(backend))
    found = [Drift(name_of(each.path), reason) for each in rendered if (reason := _off(each))]
    found += [Drift(name, "no template makes it any more") for name in _orphans(rendered)]
    reason = f"installs another version than {project.version()}"
    found += [Drift(name_of(path), reason) for path, _ in pages.outdated()]
    if _manifest_on_disk() != _manifest(rendered):
        found.append(Drift(name_of(MANIFEST), "does not list what the templates make"))
    return found


def placeholders() -> None:
    """Replace each generated file by a comment that names its template."""
    step("replacing generated files by placeholders")
    for each in list(render()):
        _back_up_if_edited(each)
        write_atomically(each.path, placeholder(each))


# -- rendering -----------------------------------------------------------------------------------


def render(backend: str | None = None) -> Iterator[Rendered]:
    """Render every file, in a stable order; writes nothing."""
    templates = Environment(  # noqa: S701  it renders TOML, Python and Markdown, not HTML
        loader=FileSystemLoader(ROOT / "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for distribution in project.distributions_for(backend):
        for template in _templates_of(distribution, templates.list_templates()):
            yield _render_one(templates, template, distribution)


def _templates_of(distribution: Distribution, names: Iterable[str]) -> list[str]:
    """The templates of its kind; fails when there are none, as a check would prove nothing."""
    folder = f"{distribution.kind}/"
    found = [name for name in names if name.startswith(folder) and name.endswith(SUFFIX)]
    if not found:
        raise TaskFailed(f"templates/{folder} holds no template for {distribution.name}")
    return found


def _render_one(templates: Environment, template: str, distribution: Distribution) -> Rendered:
    values = _values(distribution) | {"notice": notice(template)}
    target = template.removeprefix(f"{distribution.kind}/").removesuffix(SUFFIX)
    try:
        path = distribution.folder / templates.from_string(target).render(values)
        text = templates.get_template(template).render(values)
    except TemplateError as error:
        raise TaskFailed(f"templates/{template} for {distribution.name}: {error}") from error
    if path.suffix == ".py":
        text = formatted(text, path, ROOT / "ruff.toml")
    return Rendered(path, template, f"{text.rstrip()}\n".encode())


def _values(distribution: Distribution) -> dict[str, object]:
    return {
        "name": distribution.name,
        "package": distribution.package,
        "awaiting": Awaiting(distribution.folder / "src" / distribution.package),
        "summary": distribution.summary,
        "backend": distribution.backend,
        "schemes": distribution.schemes,
        "version": project.version(),
        "requires": project.requirements_of(distribution),
        # ``cloaca`` needs a backend, so its README installs the embedded one.
        "installs": "cloaca[sqlite]" if distribution is project.DOOR else distribution.name,
        "third_party": project.installed_first(distribution),
        "extras": project.extras(),
        "python_least": project.PYTHON_LEAST,
        "python_tested": project.PYTHON_TESTED,
        "systems_tested": project.SYSTEMS_TESTED,
        "urls": project.URLS,
        "builder": project.BUILDER,
        "epoch": project.EPOCH,
        "license_text": project.text_of("LICENSE"),
    }


def notice(template: str) -> str:
    """The line at the head of a generated file."""
    return f"Generated from templates/{template}; edit that."


# -- writing -------------------------------------------------------------------------------------


def _put(wanted: Rendered) -> bool:
    """Write one file if it differs, after a backup of a hand-edited one; True when written."""
    if not _off(wanted):
        return False
    _back_up_if_edited(wanted)
    write_atomically(wanted.path, wanted.content)
    say(f"  wrote {name_of(wanted.path)}")
    return True


def _put_page(path: Path, text: str) -> str:
    write_atomically(path, text.encode())
    say(f"  wrote {name_of(path)}")
    return name_of(path)


def _off(wanted: Rendered) -> str:
    if not wanted.path.exists():
        return "missing"
    if wanted.path.read_bytes() != wanted.content:
        return f"differs from templates/{wanted.template}"
    return ""


def _back_up_if_edited(wanted: Rendered) -> None:
    if wanted.path.exists() and wanted.path.read_bytes() not in {
        wanted.content,
        placeholder(wanted),
    }:
        _back_up_unless_ours(wanted.path)


def _back_up_unless_ours(path: Path) -> None:
    """Keep a copy of a file that differs from the last rendering."""
    present = path.read_bytes()
    if digest(present) == _remembered().get(name_of(path)):
        return
    copy = _free_name(BACKUPS / name_of(path))
    write_atomically(copy, present)
    say(f"  {name_of(path)} was edited by hand; your text is in {name_of(copy)}")


def placeholder(wanted: Rendered) -> bytes:
    """The comment that replaces a generated file in a stripped checkout."""
    text = notice(wanted.template)
    return (f"<!-- {text} -->\n" if wanted.path.suffix == ".md" else f"# {text}\n").encode()


def _free_name(path: Path) -> Path:
    """A name that no earlier backup has: ``pyproject.toml.1``, ``.2`` …"""
    number = 1
    while (candidate := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    return candidate


# -- the manifest --------------------------------------------------------------------------------


def _remembered() -> dict[str, str]:
    """Names and digests of the last rendering; ignores other lines, such as a merge's marks."""
    lines = _MANIFEST_LINE.finditer(_manifest_on_disk())
    return {found["name"]: found["digest"] for found in lines}


def _manifest_on_disk() -> str:
    if not MANIFEST.exists():
        return ""
    return MANIFEST.read_text(encoding="utf-8", errors="replace")


def _manifest(rendered: Iterable[Rendered]) -> str:
    """The new text of the manifest; lines of distributions not rendered now stay."""
    new = {name_of(each.path): digest(each.content) for each in rendered}
    others = {
        name: known for name, known in _remembered().items() if _folder(name) not in _folders(new)
    }
    digests = others | new
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))


def _orphans(rendered: Iterable[Rendered]) -> list[str]:
    """Files of an earlier rendering that no template makes now, in the folders just rendered."""
    wanted = {name_of(each.path) for each in rendered}
    old = (name for name in _remembered() if name not in wanted and (ROOT / name).exists())
    return [name for name in old if _folder(name) in _folders(wanted)]


def _remove(name: str) -> bool:
    _back_up_unless_ours(ROOT / name)
    (ROOT / name).unlink()
    say(f"  removed {name}: no template makes it any more")
    return True


def name_of(path: Path) -> str:
    """The path in the form of the manifest and of messages."""
    return path.relative_to(ROOT).as_posix()


def _folder(name: str) -> str:
    return name.split("/", 1)[0]


def _folders(names: Iterable[str]) -> set[str]:
    return {_folder(name) for name in names}


def _what(backend: str | None) -> str:
    return "all distributions" if backend is None else f"the distributions of {backend}"
