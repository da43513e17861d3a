"""Peak memory of each stage, in a process of its own so that nobody else's is counted."""

from __future__ import annotations

import gc
import multiprocessing
from multiprocessing.connection import Connection

import torch

from adain.evaluation.speed.candidates import build
from adain.evaluation.speed.clock import synchronize
from adain.evaluation.speed.stages import Setting
from adain.runtime import memory


def how(device: torch.device) -> str:
    """Return in words what the figures are."""
    if device.type == "cuda":
        return "torch.cuda.max_memory_allocated in a process of its own"
    return "resident set of a child process above what it held after importing torch (Linux: VmHWM)"


def peak_memory(setting: Setting, device: torch.device) -> dict[str, float]:
    """Return the most memory each stage needs, weights and what earlier stages left included.

    Returns:
        MiB by stage; empty where it cannot be measured (no Linux and no GPU), or the child broke off or took ten minutes.
    """
    if device.type == "cpu" and not memory.reset_peak_memory(device):
        return {}
    # one server imports torch once; its children start in a moment and have touched nothing yet
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["adain.evaluation.speed.memory"])
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs, setting, str(device)), daemon=True)
    child.start()
    theirs.close()
    try:
        found: dict[str, float] = ours.recv() if ours.poll(600) else {}
    except EOFError:
        found = {}
    child.join(10)
    if child.is_alive():
        child.kill()
    return found


def _child(connection: Connection, setting: Setting, where: str) -> None:
    device = torch.device(where)
    if setting.reference is None:
        memory.keep_freed_memory()  # as training and stylize do
    base = torch.cuda.memory_allocated(device) if device.type == "cuda" else memory.process_memory("VmRSS")
    stages = build(setting, device)
    peaks: dict[str, float] = {}
    for _ in range(2):  # the optimizer's state comes with its first step
        for stage, work in stages:
            gc.collect()
            memory.reset_peak_memory(device)
            work()
            synchronize(device)
            peaks[stage] = max(peaks.get(stage, 0.0), (memory.peak_memory(device) - base) / 2**20)
    connection.send(peaks)
    connection.close()
