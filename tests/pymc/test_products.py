"""Products of matrices and of stacks: values, shapes and gradients, as NumPy's."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from em_vs_bayes.model.symbolic.products import Products, product


@pytest.mark.parametrize("shapes", [((5, 3), (3, 2)), ((4, 5, 3), (4, 3, 2)), ((1, 0, 2), (1, 2, 3))])
def test_products_and_their_gradients(shapes):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape) for shape in shapes)
    x, y = (pt.tensor(shape=(None,) * len(shape), dtype="float64") for shape in shapes)
    out = product(x, y)
    weights = rng.normal(size=(a @ b).shape)
    slopes = pytensor.grad((out * weights).sum(), [x, y])
    value, da, db = pytensor.function([x, y], [out, *slopes])(a, b)
    np.testing.assert_allclose(value, a @ b)
    np.testing.assert_allclose(da, weights @ np.swapaxes(b, -1, -2))  # d tr(W'AB) = tr(dA B W') and so on
    np.testing.assert_allclose(db, np.swapaxes(a, -1, -2) @ weights)
    stacks = [v if v.ndim == 3 else v[None] for v in (a, b)]
    kept = [[None]]
    Products().perform(None, stacks, kept)
    np.testing.assert_allclose(kept[0][0], stacks[0] @ stacks[1])


def test_other_dimensions_are_refused():
    with pytest.raises(ValueError, match="takes stacks of matrices; got 1 and 2"):
        product(np.ones(3), np.ones((3, 2)))
