"""All ranks begin with the same decoder, and the encoder is sent to none of them."""

from __future__ import annotations

from typing import Any, Protocol, cast

import pytorch_lightning as pl
import torch


class Starting(Protocol):
    """What is asked of a model."""

    def initialize(self, draw: Any) -> None:
        """Gives the decoder its start."""
        ...


class BroadcastInit(pl.Callback):
    """Lets rank 0 find the decoder's start and sends it to the others.

    The others would come to the same start, in the same time, on the same processors. The encoder's weights lie in
    buffers that every rank has read from a verified file, so they are kept out of what the strategy sends at the start.

    Args:
        draw: What the start is fitted on; see ``AdaINMethod.initialize``. None: a checkpoint is loaded instead.
    """

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Runs once, when the ranks are connected and the strategy has not yet wrapped anything."""
        frozen = [name for name, _ in pl_module.named_buffers() if name.startswith("encoder.")]
        pl_module._ddp_params_and_buffers_to_ignore = frozen  # type: ignore[assignment]  # DDP's own name for them
        if self._draw is None:
            return
        if trainer.is_global_zero:
            cast(Starting, pl_module).initialize(self._draw)
        self._draw = None
        if trainer.world_size > 1:
            own = [buffer for name, buffer in pl_module.named_buffers() if name not in frozen]  # a style's targets, say
            for tensor in (*pl_module.parameters(), *own):
                torch.distributed.broadcast(tensor.data, src=0)
