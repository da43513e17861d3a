"""Color transfer against the authors' formula and its properties."""

from __future__ import annotations

import numpy as np
import torch

from adain.functional.color import colors, coral, keep_chroma


def colored(seed: int, height: int = 20, width: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.rand(3, 3, generator=generator) * 0.4
    return (mixing @ torch.rand(3, height * width, generator=generator)).view(1, 3, height, width)


def svd_root(matrix: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Return the matrix square root as the PyTorch ports compute it."""
    left, values, right = np.linalg.svd(matrix)
    return left @ np.diag(np.sqrt(values)) @ right


def test_coral_matches_the_authors_formula() -> None:
    style, content = colored(1), colored(2, 15, 11)
    s, c = (picture[0].flatten(1).double().numpy() for picture in (style, content))

    def normalized(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        flat = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
        return flat, flat @ flat.T / x.shape[1] + 1e-5 * np.eye(3)

    (s_flat, s_cov), (_, c_cov) = normalized(s), normalized(c)
    moved = svd_root(c_cov) @ np.linalg.inv(svd_root(s_cov)) @ s_flat
    wanted = moved * c.std(1, keepdims=True) + c.mean(1, keepdims=True)
    np.testing.assert_allclose(coral(style, colors(content))[0].flatten(1).numpy(), wanted, rtol=1e-3, atol=1e-4)


def test_coral_gives_the_contents_mean_and_covariance() -> None:
    found, wanted = colors(coral(colored(3), colors(colored(4)))), colors(colored(4))
    torch.testing.assert_close(found.mean, wanted.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.covariance, wanted.covariance, rtol=1e-2, atol=1e-5)


def test_coral_of_gray_and_of_a_single_color_is_finite() -> None:
    gray, flat = colored(5)[:, :1].expand(-1, 3, -1, -1), torch.full((1, 3, 8, 8), 0.4)
    for style in (gray, flat):
        for content in (gray, flat, colored(6)):
            assert torch.isfinite(coral(style, colors(content))).all()


def test_colors_are_the_population_moments_of_floats_and_bytes() -> None:
    pixels = torch.randint(256, (1, 3, 30, 41), dtype=torch.uint8)
    flat = pixels[0].flatten(1).numpy() / 255
    for picture in (pixels, pixels.float() / 255):
        found = colors(picture)
        np.testing.assert_allclose(found.mean[0].numpy(), flat.mean(1), rtol=1e-5)
        np.testing.assert_allclose(found.covariance[0].numpy(), np.cov(flat, bias=True), rtol=1e-4, atol=1e-7)


def test_keep_chroma_keeps_luminance_and_hue_and_stays_in_range() -> None:
    output, content = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    found = keep_chroma(output, content)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    torch.testing.assert_close((found * luma).sum(1), (output * luma).sum(1), rtol=1e-3, atol=1e-3)
    assert 0 <= found.min() <= found.max() <= 1

    def chroma(picture: torch.Tensor) -> torch.Tensor:
        return picture - (picture * luma).sum(1, keepdim=True)

    likeness = torch.nn.functional.cosine_similarity(chroma(found), chroma(content), dim=1)
    assert likeness[chroma(found).norm(dim=1) > 0.01].min() > 0.99


def test_keep_chroma_of_a_picture_with_itself_changes_nothing() -> None:
    picture = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(keep_chroma(picture, picture), picture, rtol=1e-4, atol=1e-4)
