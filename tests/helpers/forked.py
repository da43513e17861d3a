"""Python in a process of its own, without the seconds that importing torch and Lightning takes.

The processes are forked from a server, one for each worker of pytest, that has imported both. All else is a new process':
standard streams, working directory, environment, process group, signals, exit code.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["torch", "torchvision", "pytorch_lightning", "hydra", "wandb"])


class Forked:
    """A running ``python ARGUMENTS``; ``arguments`` begin with ``-m MODULE`` or ``-c SCRIPT``.

    Args:
        arguments: What follows ``python``.
        cwd: Its working directory.
        stdin: What it reads; nothing if left out.
        stdout: Where it writes in place of ``out``, such as a terminal or a pipe.
    """

    def __init__(self, arguments: Sequence[str], cwd: Path, stdin: bytes = b"", stdout: int | None = None) -> None:
        self._files: list[IO[bytes]] = [TemporaryFile() for _ in range(3)]  # noqa: SIM115 (they close with this object)
        self._files[0].write(stdin)
        self._files[0].seek(0)
        descriptors = [file.fileno() for file in self._files]
        if stdout is not None:
            descriptors[1] = stdout
        streams = [Connection(os.dup(descriptor)) for descriptor in descriptors]  # what multiprocessing can send
        self._process = _SERVER.Process(target=_run, args=(list(arguments), cwd, dict(os.environ), streams))
        self._process.start()
        for stream in streams:
            stream.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def wait(self, seconds: float = 300) -> int:
        """Return the exit code, minus the signal if one ended it; kill what is not over by then, and fail."""
        self._process.join(seconds)
        if (code := self._process.exitcode) is None:
            self._process.kill()
            raise AssertionError(f"not over after {seconds} s: {self.err}")
        return code

    @property
    def out(self) -> bytes:
        """What it has written to standard output."""
        return self._written(1)

    @property
    def err(self) -> str:
        """What it has written to standard error."""
        return self._written(2).decode(errors="surrogateescape")

    def _written(self, stream: int) -> bytes:
        descriptor = self._files[stream].fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _run(arguments: list[str], cwd: Path, environment: dict[str, str], streams: list[Connection]) -> None:
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (multiprocessing gave it nothing to read)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[:0] = ["", *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    kind, what, *rest = arguments
    sys.argv = [kind, *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
