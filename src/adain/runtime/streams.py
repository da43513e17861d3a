"""Standard output and error that end no work: when their reader goes away, or at a file name that is not UTF-8."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import Any


class _Outliving(io.FileIO):
    """A file whose writes are dropped once nobody reads them: ``| head`` has ended, or the terminal is gone."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())  # for the processes started from here, too
            return len(memoryview(data).cast("B"))


def _encode_names(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return the bytes of a file name that is not in the stream's encoding, and an escape of what it has no bytes for."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


_NAMES = "adain.file_names"
codecs.register_error(_NAMES, _encode_names)


def keep_writing() -> None:
    """Let this process go on when a reader of its output goes away, and print any file name.

    Streams that were replaced stay as they are.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__") or not isinstance(stream, io.TextIOWrapper):
            continue  # captured, or closed
        stream.flush()
        raw = _Outliving(stream.fileno(), "w", closefd=False)
        kept = io.TextIOWrapper(
            io.BufferedWriter(raw), stream.encoding, _NAMES, line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )  # fmt: skip
        setattr(sys, name, kept)
