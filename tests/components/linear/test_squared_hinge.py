from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, sparse

from agnews.components.linear.squared_hinge import fit_squared_hinge


@pytest.mark.parametrize(
    ("cost", "weights"), [(0.1, None), (1.0, None), (10.0, None), (1.0, [6.0, 3.0, 2.0, 1.0, 0.5])]
)
def test_the_weights_are_those_of_the_least_loss(cost: float, weights: list[float] | None) -> None:
    """SciPy's own minimum, found from values and gradients alone."""
    random = np.random.default_rng(3)
    dense = random.normal(size=(80, 12)) * (random.random((80, 12)) < 0.3)
    labels = random.choice(5, p=[0.05, 0.1, 0.15, 0.3, 0.4], size=80)
    dense[np.arange(80), labels] += 1.0

    by_class = None if weights is None else np.array(weights, np.float32)
    costs = cost * (np.ones(80) if by_class is None else by_class[labels])

    found = fit_squared_hinge(
        sparse.csr_matrix(dense, dtype=np.float32), labels, 5, cost=cost, class_weights=by_class, tolerance=1e-4
    )

    for number in range(5):
        sign = np.where(labels == number, 1.0, -1.0)

        def loss(weights: np.ndarray, sign: np.ndarray = sign) -> tuple[float, np.ndarray]:
            slack = np.maximum(0.0, 1.0 - sign * (dense @ weights[:-1] + weights[-1]))
            gradient = np.append(dense.T @ (-2 * costs * sign * slack), -2 * np.sum(costs * sign * slack))
            gradient[:-1] += weights[:-1]
            return 0.5 * weights[:-1] @ weights[:-1] + np.sum(costs * slack**2), gradient

        best = optimize.minimize(loss, np.zeros(13), jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9})
        ours = np.append(found.kernel[:, number], found.bias[number])
        assert loss(ours)[0] == pytest.approx(best.fun, rel=1e-4)
        np.testing.assert_allclose(ours, best.x, atol=0.01 * np.abs(best.x).max())


def test_more_classes_than_are_solved_at_once() -> None:
    labels = np.repeat(np.arange(130), 2)
    rows = sparse.csr_matrix(np.repeat(np.eye(130, dtype=np.float32), 2, axis=0))

    found = fit_squared_hinge(rows, labels, 130, cost=10.0)

    np.testing.assert_array_equal((rows @ found.kernel + found.bias).argmax(axis=1), labels)


def test_a_class_without_a_row_is_never_the_answer() -> None:
    rows = sparse.csr_matrix(np.eye(4, dtype=np.float32))

    found = fit_squared_hinge(rows, np.array([0, 1, 0, 1]), 3, cost=1.0)

    assert np.all(np.isfinite(found.kernel))
    assert set((rows @ found.kernel + found.bias).argmax(axis=1)) == {0, 1}


@pytest.mark.long
def test_ten_thousand_classes_are_told_apart_a_few_at_a_time() -> None:
    classes = 10_000
    random = np.random.default_rng(0)
    columns = np.stack([np.arange(classes), random.integers(classes, classes + 50, classes)], axis=1)
    rows = np.repeat(np.arange(classes), 2)
    matrix = sparse.csr_matrix(
        (np.ones(2 * classes, np.float32), (rows, columns.ravel())), shape=(classes, classes + 50)
    )
    found = fit_squared_hinge(matrix[:400], np.arange(400), classes, cost=1.0)
    scores = matrix[:400] @ found.kernel + found.bias
    assert (scores.argmax(axis=1) == np.arange(400)).all()
