"""Names of files are safe whatever users call their tasks."""

from __future__ import annotations

from tables import each_row

from cloaca_tools.ui.pages.downloads import file_name


@each_row(
    ("parts", "name"),
    [
        (("order", "01a2", "case"), "order-01a2-case.json"),
        (("../../etc/passwd", "01a2"), "etc_passwd-01a2.json"),
        (('a"; filename="b', "x\r\ny: z"), "a_filename_b-x_y_z.json"),
        (("Überweisung", "…"), "berweisung.json"),
        (("…",), "cloaca.json"),
        (("n" * 500,), f"{'n' * 60}.json"),
    ],
)
def test_a_name_has_no_sign_that_a_system_reads(parts: tuple[str, ...], name: str) -> None:
    assert file_name(*parts, ending="json") == name
