"""All ranks begin with the same decoder, and the encoder is sent to none of them."""

from __future__ import annotations

import pytorch_lightning as pl
import torch

from adain.methods.base import CropSampler, TrainedMethod


class BroadcastInit(pl.Callback):
    """Starts the weights on rank 0 and sends them to the others.

    The others would come to the same start, in the same time, on the same processors. The encoder's weights lie in
    buffers that every rank has read from a verified file, so they are kept out of what the strategy sends at the start.

    Args:
        sample_crops: What the start is fitted to; see ``TrainedMethod.init_weights``. None: a checkpoint is loaded instead.
    """

    def __init__(self, sample_crops: CropSampler | None) -> None:
        self._sample_crops = sample_crops

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Run once, when the ranks are connected and the strategy has not yet wrapped anything."""
        assert isinstance(pl_module, TrainedMethod)
        frozen = [name for name, _ in pl_module.named_buffers() if name.startswith("encoder.")]
        pl_module._ddp_params_and_buffers_to_ignore = frozen  # type: ignore[assignment]  # DDP's own name for them
        if self._sample_crops is None:
            return
        if trainer.is_global_zero:
            pl_module.init_weights(self._sample_crops)
        self._sample_crops = None
        if trainer.world_size > 1:
            buffers = [
                buffer for name, buffer in pl_module.named_buffers() if name not in frozen
            ]  # a style's targets, say
            for tensor in (*pl_module.parameters(), *buffers):
                torch.distributed.broadcast(tensor.data, src=0)
