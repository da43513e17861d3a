"""AdaIN (Huang & Belongie 2017) as a LightningModule: frozen encoder, AdaIN, trained decoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, get_args

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.distributed.fsdp import FSDPModule, fully_shard

from adain.choices import EncoderName, LearningRateScaling, Optimiser, Schedule, StyleReduction
from adain.data.pairs import Batch
from adain.decoder import WIDTHS, Decoder, load_decoder
from adain.encoder import BOTTLENECK, STYLE_LAYERS, Encoder
from adain.errors import UserError
from adain.functional import Statistics, adain, channel_statistics
from adain.least_squares import fit_decoder
from adain.losses import content_loss, identity_loss, style_loss, total_variation, weighted_total
from adain.muon import Muon

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""Gives so many content and style crops in [0, 1]: ``StyleTransferDataModule.draw``."""


class AdaINMethod(pl.LightningModule):
    """``T(c, s) = g((1 - alpha) f(c) + alpha AdaIN(f(c), f(s)))`` with encoder f and decoder g.

    The decoder minimises ``content_weight L_c + style_weight L_s`` and the optional terms. All arguments are plain
    values, so a checkpoint loads under torch's ``weights_only``. It holds the decoder, not the encoder.

    Args:
        encoder: ``vgg19_normalised`` or ``vgg19_torchvision``.
        encoder_weights: Its weights file; found or fetched if None.
        widths: The decoder's hidden channels at full, half and quarter resolution.
        init: How the decoder starts: ``random``, ``least_squares``, ``reference``, or a checkpoint's path.
        start_pictures: Pictures of each kind for the least-squares start.
        start_patches: Patches for each layer of it.
        content_weight, style_weight: The paper's 1 and lambda.
        style_reduction: ``mean`` or ``sum`` over channels; see ``losses.style_loss``.
        tv_weight: Weight of the total variation of the output.
        identity_weight: Weight of the pixel error of reconstructing the content from its own features.
        optimizer: ``adam``, the paper's, or ``muon``, which needs far fewer steps from a least-squares start.
        lr: Adam's learning rate, or Muon's relative step (see ``muon.Muon``).
        scale_lr: Multiply both rates by the global batch over ``lr_batch`` (``linear``) or its square root (``sqrt``).
        lr_batch: The global batch that the rates are meant for; the data module's ``batch_size`` if None.
        bias_lr: Adam's rate for the biases under Muon.
        momentum: Muon's.
        betas: Adam's decay rates.
        schedule: ``constant``; ``inverse_time``, lr / (1 + lr_decay step); ``linear`` or ``cosine``, to 0 at the end.
        lr_decay: For ``inverse_time``.
        warmup_steps: Steps of linear warm-up before any schedule.

    Raises:
        UserError: If a word or number is not allowed.
    """

    def __init__(
        self,
        encoder: EncoderName = "vgg19_normalised",
        encoder_weights: str | None = None,
        widths: Sequence[int] = WIDTHS,
        init: str = "random",
        start_pictures: int = 80,
        start_patches: int = 40_000,
        content_weight: float = 1.0,
        style_weight: float = 10.0,
        style_reduction: StyleReduction = "mean",
        tv_weight: float = 0.0,
        identity_weight: float = 0.0,
        optimizer: Optimiser = "adam",
        lr: float = 1e-4,
        scale_lr: LearningRateScaling = "none",
        lr_batch: int | None = None,
        bias_lr: float = 1e-3,
        momentum: float = 0.9,
        betas: tuple[float, float] = (0.9, 0.999),
        schedule: Schedule = "inverse_time",
        lr_decay: float = 5e-5,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        for word, value, allowed in (
            ("style_reduction", style_reduction, StyleReduction),
            ("optimizer", optimizer, Optimiser),
            ("scale_lr", scale_lr, LearningRateScaling),
            ("schedule", schedule, Schedule),
        ):
            if value not in get_args(allowed):
                raise UserError(f"{word}={value!r} is unknown: choose one of {', '.join(get_args(allowed))}")
        self.encoder = Encoder.load(encoder, encoder_weights)
        self.decoder = Decoder(widths)
        self.weights = {
            "content": content_weight,
            "style": style_weight,
            "tv": tv_weight,
            "identity": identity_weight,
        }

    # --- the system -------------------------------------------------------------------------------------------------

    def encode_style(self, style: Tensor) -> Statistics:
        """All that is kept of a style: its statistics at relu4_1.

        Args:
            style: ``N x 3 x H x W``, RGB in [0, 1].
        """
        return channel_statistics(self.encoder(style))

    def stylize(self, content: Tensor, style: Tensor | Statistics, alpha: float = 1.0) -> Tensor:
        """Pictures with the content of one and the style of another.

        Args:
            content: ``N x 3 x H x W``, RGB in [0, 1], H and W at least 9.
            style: Pictures, ``N`` or 1 of any size, or what ``encode_style`` made of them.
            alpha: 0 reconstructs the content, 1 is the full style.

        Returns:
            ``N x 3 x H x W``, clamped to [0, 1]: always the content's size.
        """
        statistics = self.encode_style(style) if isinstance(style, Tensor) else style
        features = self.encoder(content)
        target = adain(features, statistics)
        output: Tensor = self.decoder(torch.lerp(features, target, alpha))
        # the encoder rounds sizes up to a multiple of 8
        return output[..., : content.shape[-2], : content.shape[-1]].clamp(0, 1)

    def initialise(self, draw: Draw) -> None:
        """Gives the decoder its start, as ``init`` says.

        Args:
            draw: Source of training crops for the least-squares start.

        Raises:
            UserError: If ``init`` is a path that holds no decoder of these widths and this encoder.
        """
        init, count = self.hparams["init"], self.hparams["start_pictures"]
        if init == "random":
            return
        if init == "least_squares":
            pictures = torch.cat(draw(count))
            fit_decoder(self.decoder, self.encoder, pictures, self.hparams["start_patches"])
            return
        start, encoder = load_decoder(init)
        for word, given, wanted in (
            ("widths", list(start.widths), list(self.decoder.widths)),
            ("encoder", encoder, self.hparams["encoder"]),
        ):
            if given != wanted:
                raise UserError(
                    f"method.init={init} has {word} {given}, but {wanted} is configured: give both the same"
                )
        self.decoder.load_state_dict(start.state_dict())

    def configure_model(self) -> None:
        """Under ``strategy=fsdp`` the decoder's weights are cut into shares, as one unit: 14 MB are one message."""
        if self.device_mesh is not None and not isinstance(self.decoder, FSDPModule):
            fully_shard(self.decoder, mesh=self.device_mesh["data_parallel"])

    # --- losses -----------------------------------------------------------------------------------------------------

    def losses(self, content: Tensor, style: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The named loss terms, unweighted, and the output pictures.

        Args:
            content: ``N x 3 x H x W``, RGB in [0, 1].
            style: The same number of pictures of the same size.

        Returns:
            ``content``, ``style/relu1_1`` to ``style/relu4_1``, ``tv`` and ``identity`` if weighted; and the decoder's
            output, ``N x 3 x H' x W'``, not clamped.
        """
        with torch.no_grad():  # nothing before the decoder is trained
            own, wanted = self._encode(content, style)
            target = adain(own, wanted[BOTTLENECK])
        output = self.decoder(target)
        features = self.encoder.taps(output)
        terms = {"content": content_loss(features[BOTTLENECK], target)}
        for name, statistics in wanted.items():
            found = channel_statistics(features[name])
            terms[f"style/{name}"] = style_loss(found, statistics, self.hparams["style_reduction"])
        if self.weights["tv"]:
            terms["tv"] = total_variation(output)
        if self.weights["identity"]:
            height, width = content.shape[-2:]
            terms["identity"] = identity_loss(self.decoder(own)[..., :height, :width], content)
        return terms, output

    def _encode(self, content: Tensor, style: Tensor) -> tuple[Tensor, dict[str, Statistics]]:
        """The content's features and the style's statistics. No feature map is kept longer than it is needed.

        A GPU takes both in one call. A CPU's caches hold the feature maps of one better than of two.
        """
        joint = content.is_cuda
        wanted, own = {}, content
        for name, own in self.encoder.walk(torch.cat([content, style]) if joint else style):
            if name in STYLE_LAYERS:
                wanted[name] = channel_statistics(own[len(content) :] if joint else own)
        return (own[: len(content)] if joint else self.encoder(content)), wanted

    # --- steps ------------------------------------------------------------------------------------------------------

    def _step(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        terms, output = self.losses(batch["content"], batch["style"])
        loss = weighted_total(terms, self.weights)
        shown = {f"{stage}/{name.replace('/', '_')}": term.detach() for name, term in terms.items()}
        shown[f"{stage}/style"] = torch.stack(
            [t.detach() for name, t in terms.items() if name.startswith("style/")]
        ).sum()
        shown[f"{stage}/loss"] = loss.detach()
        training = stage == "train"
        if training and self._trainer is not None and self._trainer.world_size > 1:  # one message for all terms
            means = self._trainer.strategy.reduce(torch.stack(list(shown.values())), reduce_op="mean")
            shown = dict(zip(shown, means.unbind(), strict=True))
        self.log_dict(shown, on_step=training, on_epoch=not training, sync_dist=not training, batch_size=len(output))
        return {"loss": loss, "output": output.detach(), **shown}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step on a batch; see ``losses``."""
        return self._step(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The same losses on held-out pairs, and the pictures for whoever shows them."""
        return self._step(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """As ``validation_step``."""
        return self._step(batch, "test")

    # --- optimiser --------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam or Muon over the decoder, its rate set at every step."""
        hparams, parameters = self.hparams, self.decoder.parameters()
        optimiser: torch.optim.Optimizer
        scale = self._lr_scale()
        if hparams["optimizer"] == "muon":
            optimiser = Muon(
                parameters,
                scale * hparams["lr"],
                scale * hparams["bias_lr"],
                hparams["momentum"],
                tuple(hparams["betas"]),
            )
        else:
            optimiser = torch.optim.Adam(parameters, lr=scale * hparams["lr"], betas=tuple(hparams["betas"]))
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, self._lr_factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _lr_scale(self) -> float:
        """What the rates are multiplied by, now that the number of ranks is known."""
        if self.hparams["scale_lr"] == "none":
            return 1.0
        batch: int = self.trainer.datamodule.batch_size  # type: ignore[attr-defined]  # Lightning attaches it
        whole = batch * self.trainer.accumulate_grad_batches * self.trainer.world_size
        return lr_scale(self.hparams["scale_lr"], whole, self.hparams["lr_batch"] or batch)

    def _lr_factor(self, step: int) -> float:
        hparams, total = self.hparams, max(1, int(self.trainer.estimated_stepping_batches))
        warmup = min(1.0, (step + 1) / (hparams["warmup_steps"] + 1))
        factor: float = warmup * lr_factor(hparams["schedule"], step, total, hparams["lr_decay"])
        return factor

    # --- checkpoints ------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Says whose checkpoint it is."""
        checkpoint["method"] = "adain"

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses another method's checkpoint."""
        if (method := checkpoint.get("method")) != "adain":
            raise UserError(
                f"the checkpoint is of method {method!r}, but method=adain is given: give the one it belongs to"
            )


def lr_scale(rule: LearningRateScaling, batch: int, reference: int) -> float:
    """By how much the learning rate grows with the batch.

    Args:
        rule: ``none``; ``linear``, Goyal et al. 2017, meant for plain gradient steps; ``sqrt``, Krizhevsky 2014, the
            usual rule for Adam (Malladi et al. 2022).
        batch: Pairs in an optimiser step, over all ranks.
        reference: Pairs that the rate is meant for.
    """
    ratio = batch / reference
    return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[rule]


def lr_factor(schedule: Schedule, step: int, total: int, decay: float) -> float:
    """The learning rate at a step as a share of the first.

    Args:
        schedule: See ``AdaINMethod``.
        step: From 0.
        total: Steps of the whole run.
        decay: For ``inverse_time``; the paper's 5e-5.
    """
    left = max(0.0, 1 - step / total)
    if schedule == "inverse_time":
        return 1 / (1 + decay * step)
    if schedule == "linear":
        return left
    if schedule == "cosine":
        return float(0.5 - 0.5 * torch.cos(torch.tensor(torch.pi * left)))
    return 1.0
