"""The input that items of a map share is a file once, for as long as the map is open."""

from __future__ import annotations

import gc

from cloaca_core.features.executors.remote.cancel_files import CancelFiles
from cloaca_core.features.executors.remote.shared_files import LEAST, SharedFiles
from cloaca_core.values.map_items import SharedInput


def test_a_long_input_is_written_once_and_removed_with_its_map() -> None:
    folder = CancelFiles()
    files, shared = SharedFiles(folder), SharedInput({"text": "ü" * LEAST})

    file = files.file(shared)
    assert file is not None
    assert file.read_text(encoding="utf-8") == shared.text
    assert files.file(shared) == file
    file.unlink()  # as programs do that remove old temporary files
    again = files.file(shared)
    assert again is not None
    assert again.exists()

    del shared
    gc.collect()
    assert not again.exists()
    folder.close()


def test_a_short_input_is_sent_with_each_item() -> None:
    assert SharedFiles(CancelFiles()).file(SharedInput({"n": 1})) is None


def test_pools_with_one_folder_have_files_of_their_own() -> None:
    folder = CancelFiles()
    shared = [SharedInput({"text": "a" * LEAST}), SharedInput({"text": "b" * LEAST})]

    found = [SharedFiles(folder).file(each) for each in shared]

    texts = [file.read_text(encoding="utf-8") for file in found if file is not None]
    assert texts == [each.text for each in shared]
    folder.close()
