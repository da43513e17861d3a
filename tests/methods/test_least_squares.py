from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adain.data.picture import to_tensor, to_unit
from adain.data.synthetic import SyntheticSource
from adain.methods import least_squares
from adain.methods.least_squares import fit_again, fit_decoder, solve
from adain.nn import decoder as decoders
from adain.nn.decoder import Decoder
from adain.nn.encoder import CONVOLUTIONS, Encoder


@pytest.fixture(scope="module")
def encoder(encoder: Encoder) -> Iterator[Encoder]:
    """The real one with 64 channels of relu4_1: with all 512, the first layer's equations take a second in each fit."""
    layers = [(getattr(encoder, f"weight{name}"), getattr(encoder, f"bias{name}")) for name in CONVOLUTIONS]
    layers[-1] = (layers[-1][0][:64], layers[-1][1][:64])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(decoders._CHANNELS, "relu4_1", 64)
        yield Encoder(layers, (0.0, 0.0, 0.0), encoder.padding, encoder.ceil_mode)


def some_pictures(count: int = 6, size: int = 48) -> torch.Tensor:
    sources = [SyntheticSource(kind, count) for kind in ("content", "style")]
    return torch.stack([to_unit(to_tensor(source.read(name, size))) for source in sources for name in source.names])


def test_one_layer_against_a_direct_solve() -> None:
    """numpy's least squares on the stacked ridge system, patches taken by F.unfold."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, 7, 6, generator=generator)
    targets = torch.randn(2 * 7 * 6, 4, generator=generator)
    everywhere = torch.arange(2 * 7 * 6)
    weight, bias, error = solve([features], [everywhere], targets, ridge=1e-2)

    patches = F.unfold(F.pad(features, (1, 1, 1, 1), mode="reflect"), 3).permute(0, 2, 1).flatten(0, 1).numpy()
    a = np.c_[patches, np.ones(len(patches))].astype(np.float64)
    strength = 1e-2 * np.mean((a[:, :-1] ** 2).sum(0))
    penalty = np.sqrt(strength) * np.eye(a.shape[1])[:-1]
    wanted = np.linalg.lstsq(np.r_[a, penalty], np.r_[targets.numpy(), np.zeros((45, 4))], rcond=None)[0]
    np.testing.assert_allclose(weight.flatten(1).numpy().T, wanted[:-1], atol=1e-5)
    np.testing.assert_allclose(bias.numpy(), wanted[-1], atol=1e-5)
    residual = ((a @ wanted - targets.numpy()) ** 2).sum() / ((targets - targets.mean(0)) ** 2).sum().item()
    assert abs(error - residual) < 1e-4


def test_a_known_convolution_is_recovered() -> None:
    features = torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    truth = torch.nn.Conv2d(3, 6, 3)
    outputs = truth(F.pad(features, (1, 1, 1, 1), mode="reflect")).detach()
    chosen = torch.randperm(4 * 144)[:400]
    weight, bias, error = solve([features], [chosen], outputs.permute(0, 2, 3, 1).flatten(0, 2)[chosen], ridge=1e-9)
    torch.testing.assert_close(weight, truth.weight.detach(), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(bias, truth.bias.detach(), atol=1e-4, rtol=1e-3)
    assert error < 1e-6


def test_a_second_job_takes_the_same_start_and_another_one_its_own(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[int] = []

    def fit(decoder: Decoder, encoder: Encoder, pictures: torch.Tensor, patches: int) -> None:
        fits.append(patches)
        for parameter in decoder.parameters():
            parameter.detach().fill_(len(fits))

    monkeypatch.setattr(least_squares, "fit_decoder", fit)
    pictures = some_pictures(2, 32)
    first, second, third, fourth = (Decoder([16, 24, 32]) for _ in range(4))
    fit_again(first, encoder, pictures, 300)
    fit_again(second, encoder, pictures, 300)
    assert fits == [300]
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    fit_again(third, encoder, pictures.flip(0), 300)  # one bit would do
    fit_again(fourth, encoder, pictures.flip(0), 400)
    assert fits == [300, 300, 400]
    assert not torch.equal(third.state_dict()["conv4_1.weight"], first.state_dict()["conv4_1.weight"])
    other = copy.deepcopy(encoder)
    next(other.buffers()).add_(0.01)
    fit_again(fourth, other, pictures.flip(0), 400)
    assert fits == [300, 300, 400, 400]


def test_the_patches_are_counted_over_all_pictures(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    real = least_squares.solve
    monkeypatch.setattr(least_squares, "solve", lambda *given: (counts.append(len(given[2])), real(*given))[1])
    fit_decoder(Decoder([4, 6], start="relu3_1"), encoder, some_pictures(10, 16), patches=150, progress=False)
    assert set(counts) == {150}  # of 20 pictures, which are encoded in three portions


def test_the_fitted_decoder_reconstructs_and_is_the_same_each_time(encoder: Encoder) -> None:
    pictures = some_pictures()
    first, second = Decoder([16, 24, 32]), Decoder([16, 24, 32])
    errors = fit_decoder(first, encoder, pictures, patches=1500, progress=False)
    fit_decoder(second, encoder, pictures, patches=1500, progress=False)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert list(errors) == [layer.name for layer in first.plan]
    with torch.no_grad():
        restored = first(encoder(pictures))
    share = F.mse_loss(restored, pictures) / pictures.var()
    assert share < 0.6, f"{share:.2f} of the variance is not explained; 1.0 is a gray picture"


def test_pictures_of_any_size_are_fitted_where_encoder_and_decoder_agree(encoder: Encoder) -> None:
    """At 44 px the encoder's maps have 22 and 11 positions a side, their mirrors 12 and 24."""
    pictures = some_pictures(6, 44)
    cut, whole = Decoder([16, 24, 32]), Decoder([16, 24, 32])
    assert fit_decoder(cut, encoder, pictures, 2000) == fit_decoder(whole, encoder, pictures[..., :40, :40], 2000)
    assert torch.equal(cut.conv1_1.weight, whole.conv1_1.weight)


def test_wider_than_the_encoder_works_too(encoder: Encoder) -> None:
    decoder = Decoder([80, 130, 260])
    fit_decoder(decoder, encoder, some_pictures(2, 32), patches=400, progress=False)
    assert all(torch.isfinite(parameter).all() for parameter in decoder.parameters())
    assert decoder.conv4_1.weight[256:].abs().sum() > 0


def test_the_inverse_of_relu3_1_reconstructs(encoder: Encoder) -> None:
    pictures = some_pictures()
    inverse = Decoder([32, 48], start="relu3_1")
    fit_decoder(inverse, encoder, pictures, patches=1500, progress=False)
    with torch.no_grad():
        restored = inverse(encoder.extract_features(pictures, ["relu3_1"])["relu3_1"])
    share = F.mse_loss(restored, pictures) / pictures.var()
    assert share < 0.4, f"{share:.2f} of the variance is not explained"


def test_batch_normalization_starts_where_the_plain_decoder_does(encoder: Encoder) -> None:
    pictures = some_pictures(3, 32)
    plain, normalized = Decoder([8, 12, 16]), Decoder([8, 12, 16], norm="batch").eval()
    fit_decoder(plain, encoder, pictures, patches=600, progress=False)
    fit_decoder(normalized, encoder, pictures, patches=600, progress=False)
    with torch.no_grad():
        features = encoder(pictures)
        torch.testing.assert_close(normalized(features), plain(features), atol=2e-3, rtol=1e-2)


def test_instance_normalization_starts_near_the_pictures(encoder: Encoder) -> None:
    pictures = some_pictures()
    decoder = Decoder([16, 24, 32], norm="instance")
    fit_decoder(decoder, encoder, pictures, patches=1500, progress=False)
    with torch.no_grad():
        restored = decoder(encoder(pictures))
    assert F.mse_loss(restored, pictures) < pictures.var()


def test_two_inputs_start_from_the_contents_alone(encoder: Encoder) -> None:
    pictures = some_pictures(3, 32)
    plain, double = Decoder([8, 12, 16]), Decoder([8, 12, 16], copies=2)
    fit_decoder(plain, encoder, pictures, patches=600, progress=False)
    fit_decoder(double, encoder, pictures, patches=600, progress=False)
    with torch.no_grad():
        features = encoder(pictures)
        given = torch.cat([features, torch.rand_like(features)], 1)
        torch.testing.assert_close(double(given), plain(features), atol=1e-4, rtol=1e-4)
