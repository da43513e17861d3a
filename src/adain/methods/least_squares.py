"""A decoder in about a minute, without gradients: each layer solved for in turn.

The decoder mirrors the encoder, so each of its convolutions has a natural target: the encoder's own activations at the
mirrored place. From the deepest layer to the picture, with

* ``X``: the 3x3 patches (reflection padding, ``9 C`` numbers and a constant 1) of the *actual* output of the decoder
  layers already fitted, so that every layer corrects the errors of those before it, and
* ``Y``: the encoder's activations at the same positions of the same pictures (the picture itself for the last layer),

the layer is the ridge regression ``W = argmin |X W - Y|^2 + r |W|^2``, intercept free, that is the solution of the normal
equations ``(X'X + r D) W = X'Y`` where ``D`` is the identity with a 0 for the intercept and ``r`` is ``ridge`` times the mean
diagonal of ``X'X``. The layer's ReLU and up-sampling then make the next layer's input. Targets in order: pool3, relu3_3,
relu3_2, relu3_1, pool2, relu2_1, pool1, relu1_1, picture.

Least squares predicts the mean of what may have been there, so pictures are soft, but colors and composition are right
and a few hundred gradient steps at a small rate finish the work.

A decoder of two inputs, content and style side by side, starts from the content alone. One with normalization gets the
statistics of its convolutions' outputs as scale and shift, so that it starts as near as it can to what was fitted.

A decoder of another width gets other targets. Narrower: the channels that together explain most of the activations'
variance (pivoted Cholesky factorisation of their covariance, a greedy choice). Wider: all channels, then rectified random
mixtures of them.
"""

from __future__ import annotations

import hashlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adain.nn.decoder import Decoder
from adain.nn.encoder import Encoder
from adain.runtime.progress import Bar

_CHUNK = 8  # pictures at a time


@torch.no_grad()
def fit_decoder(
    decoder: Decoder,
    encoder: Encoder,
    pictures: Tensor,
    patches: int = 40_000,
    ridge: float = 1e-3,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, float]:
    """Set the decoder's weights by least squares. Deterministic for given pictures and seed.

    Args:
        decoder: Any width; changed in place.
        encoder: On the same device.
        pictures: ``N x 3 x H x W`` in [0, 1], a few dozen at least. H and W are cut to multiples of 8.
        patches: How many positions, over all pictures, each layer is fitted on.
        ridge: Regularization, relative to the mean diagonal of the normal matrix.
        seed: Of the choice of positions.
        progress: Whether to show a progress bar.

    Returns:
        For each layer, by name, the squared error of its fit as a share of its target's variance.
    """
    random = torch.Generator().manual_seed(seed)
    training = decoder.training
    decoder.eval()  # batch normalization as it will be used
    device = next(decoder.parameters()).device
    height, width = (side // 8 * 8 for side in pictures.shape[-2:])  # else layers of odd size and their mirrors differ
    pictures = pictures[..., :height, :width]
    chunks = [chunk.to(device) for chunk in torch.split(pictures, _CHUNK)]
    bar = Bar(total=len(chunks) + len(decoder.plan), desc="least squares", unit="layer", disable=not progress)

    bar.set_postfix_str("encoding")
    positions: dict[str, list[Tensor]] = {layer.name: [] for layer in decoder.plan}
    targets: dict[str, list[Tensor]] = {layer.name: [] for layer in decoder.plan}
    current: list[Tensor] = []
    for chunk in chunks:
        layers = {
            "picture": chunk,
            **encoder.extract_features(chunk, [*(layer.target for layer in decoder.plan), decoder.start]),
        }
        current.append(layers[decoder.start])
        for layer in decoder.plan:
            chosen = _choose(layers[layer.target], patches * len(chunk) // len(pictures), random)
            positions[layer.name].append(chosen)
            targets[layer.name].append(layers[layer.target].permute(0, 2, 3, 1).flatten(0, 2)[chosen])
        bar.update()

    errors = {}
    for layer in decoder.plan:
        bar.set_postfix_str(layer.name)
        convolution = decoder.convolution(layer)
        target = _fit_width(torch.cat(targets.pop(layer.name)), convolution.out_channels, random)
        weight, bias, errors[layer.name] = solve(current, positions.pop(layer.name), target, ridge)
        convolution.weight.zero_()[:, : weight.shape[1]] = weight  # inputs beyond the content's begin at zero
        convolution.bias.copy_(bias)  # type: ignore[union-attr]  # the decoder's convolutions have one
        if layer is decoder.plan[0]:
            current = [torch.cat([x] * decoder.copies, 1) for x in current]
        if (normalize := decoder.normalization(layer)) is not None:
            _fit_normalization(normalize, convolution, current)
        current = [decoder.apply_layer(layer, x) for x in current]
        bar.update()
    bar.close()
    decoder.train(training)
    return errors


_fitted: dict[str, dict[str, Tensor]] = {}


def fit_again(decoder: Decoder, encoder: Encoder, pictures: Tensor, patches: int) -> None:
    """``fit_decoder``, or its weights anew where this process has just fitted the same: jobs of a sweep mostly begin alike.

    Args:
        decoder: As ``fit_decoder`` has it, like the others.
        encoder: Its weights count, not only its name.
        pictures: Each of their bits counts.
        patches: See there.
    """
    sha = hashlib.sha256(f"{decoder} {patches} {pictures.shape} {next(decoder.parameters()).device}".encode())
    for tensor in (pictures, *encoder.buffers()):
        sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    if (known := _fitted.get(key := sha.hexdigest())) is not None:
        decoder.load_state_dict(known)
        return
    fit_decoder(decoder, encoder, pictures, patches)
    _fitted.clear()  # one start is enough, and 14 MB
    _fitted[key] = {name: tensor.detach().cpu().clone() for name, tensor in decoder.state_dict().items()}


def _fit_normalization(normalize: nn.Module, convolution: nn.Conv2d, inputs: list[Tensor]) -> None:
    """Scale and shift that undo the normalization, exactly for a batch of all pictures and on average for one."""
    total = square = torch.zeros((), dtype=torch.float64)
    count = 0
    for x in inputs:
        outputs = convolution(F.pad(x, (1, 1, 1, 1), mode="reflect"))
        total = total + outputs.sum((0, 2, 3), dtype=torch.float64).cpu()
        square = square + outputs.square().sum((0, 2, 3), dtype=torch.float64).cpu()
        count += outputs.numel() // outputs.shape[1]
    mean = total / count
    variance = (square / count - mean.square()).clamp_min(0)
    assert isinstance(normalize, nn.BatchNorm2d | nn.InstanceNorm2d)
    if isinstance(normalize, nn.BatchNorm2d):
        assert normalize.running_mean is not None
        assert normalize.running_var is not None
        normalize.running_mean.copy_(mean)
        normalize.running_var.copy_(variance)
    normalize.weight.copy_((variance + normalize.eps).sqrt())
    normalize.bias.copy_(mean)


def solve(inputs: list[Tensor], positions: list[Tensor], targets: Tensor, ridge: float) -> tuple[Tensor, Tensor, float]:
    """One layer's ridge regression from 3x3 patches to targets.

    Args:
        inputs: Chunks of feature maps, each ``n x C x H x W``.
        positions: For each chunk, indices into its ``n H W`` positions.
        targets: ``P x K``: the wanted outputs at all positions, in order.
        ridge: See the module.

    Returns:
        Weight ``K x C x 3 x 3``, bias ``K``, and the squared error as a share of the targets' variance.
    """
    size = 9 * inputs[0].shape[1] + 1
    # Sums over tens of thousands of patches lose the small eigenvalues in float32.
    normal = torch.zeros(size, size, dtype=torch.float64)
    right = torch.zeros(size, targets.shape[1], dtype=torch.float64)
    start = 0
    for features, chosen in zip(inputs, positions, strict=True):
        patches = torch.cat([_patches(features, chosen), torch.ones(len(chosen), 1, device=features.device)], 1)
        outputs = targets[start : start + len(chosen)]
        normal += (patches.T @ patches).cpu()
        right += (patches.T @ outputs).cpu()
        start += len(chosen)
    penalty = torch.full((size,), float(ridge * normal.diagonal()[:-1].mean()), dtype=torch.float64)
    penalty[-1] = 0
    solution = torch.cholesky_solve(right, torch.linalg.cholesky(normal + penalty.diag()))
    # |XW - Y|^2 from the sums at hand
    residual = (solution * (normal @ solution - 2 * right)).sum() + targets.double().square().sum().cpu()
    variance = (targets - targets.mean(0)).double().square().sum().cpu()
    weight = solution[:-1].T.reshape(targets.shape[1], -1, 3, 3).to(targets)
    return weight, solution[-1].to(targets), float(residual / variance.clamp_min(1e-12))


def _choose(features: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Random positions of a chunk, as indices into its ``n h w``."""
    total = features.shape[0] * features.shape[2] * features.shape[3]
    return torch.randperm(total, generator=random)[:count].to(features.device)


def _patches(features: Tensor, chosen: Tensor) -> Tensor:
    """Return the 3x3 patches around the chosen positions, ``P x 9C``, ordered as a convolution's weights are."""
    height, width = features.shape[-2:]
    padded = F.pad(features, (1, 1, 1, 1), mode="reflect").permute(0, 2, 3, 1).contiguous()  # gather whole pixels
    picture, rest = chosen // (height * width), chosen % (height * width)
    y, x = rest // width, rest % width
    pixels = [padded[picture, y + dy, x + dx] for dy in range(3) for dx in range(3)]
    return torch.stack(pixels, -1).flatten(1)


def _fit_width(targets: Tensor, width: int, random: torch.Generator) -> Tensor:
    """Targets ``P x C`` made ``P x width``: the module says how."""
    channels = targets.shape[1]
    if width == channels:
        return targets
    if width > channels:
        mixture = torch.randn(channels, width - channels, generator=random).to(targets) / channels**0.5
        return torch.cat([targets, F.relu((targets - targets.mean(0)) @ mixture)], 1)
    covariance = torch.cov(targets.T.double()).cpu()
    chosen = []
    for _ in range(width):
        pivot = int(covariance.diagonal().argmax())
        chosen.append(pivot)
        column = covariance[:, pivot] / covariance[pivot, pivot].clamp_min(1e-12).sqrt()
        covariance = covariance - torch.outer(column, column)
        covariance[pivot, pivot] = -1.0  # never again
    return targets[:, sorted(chosen)]
