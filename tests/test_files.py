"""A file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bertlab.files import write_if_new, write_whole


def test_whatever_stops_the_writing_of_a_file_the_old_one_stays(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def stopped(to: Path) -> None:
        (to.parent / ".tmpMejWMV").write_text("half")  # as safetensors does
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(target, stopped)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"
    write_whole(target, lambda to: to.write_text("new"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, lambda to: to.write_text("new"))
    assert os.read(end, 10) == b"new"
    os.close(end)
    assert pipe.is_fifo()


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "file"
    assert write_if_new(path, "one") is True
    assert write_if_new(path, "one") is False
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_if_new(path, "two")
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]
