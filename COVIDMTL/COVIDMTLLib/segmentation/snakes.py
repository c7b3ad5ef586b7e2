"""Snakes that move as those of scikit-image's `active_contour`, but in far less time, and what they enclose."""

from __future__ import annotations

import numpy as np

GAMMA = 0.01  # time step
CONVERGED = 0.1  # pixels; a snake stops that has come this close to one of its last shapes
LAST_SHAPES = 10


def edges_of(image: np.ndarray) -> np.ndarray:
    """The edges of an image, smooth, for snakes to move to.

    Parameters
    ----------
    image : ndarray of int, shape (rows, columns)
        Scaled by the range of its type, as scikit-image does; 3 pixels or more along each axis.

    Returns
    -------
    ndarray of float64, shape (rows + 2, columns + 2)
        Coefficients of a quadratic spline through the magnitude of its Sobel gradient.
    """
    from skimage.filters import sobel
    from skimage.util import img_as_float

    return _spline(_spline(sobel(img_as_float(image))).T).T


def moved(contour: np.ndarray, edges: np.ndarray, alpha: float, beta: float, iterations: int) -> np.ndarray:
    """The snake that starts from a contour, after it has moved to edges.

    The ends of the contour are joined. The matrix of a periodic snake's implicit step is circulant, so
    that a division in Fourier space takes the place of its inverse.

    Parameters
    ----------
    contour : ndarray of shape (N, 2)
        Points (row, column).
    edges : ndarray of shape (rows + 2, columns + 2)
        From `edges_of`.
    alpha, beta : float
        How strongly the snake contracts, and how stiff it is.
    iterations : int
        Steps at most; with 0 the snake stays where it starts.

    Returns
    -------
    ndarray of float64, shape (N, 2)
        The points moved, by less than a pixel per step along each axis.
    """
    from scipy.fft import irfft, rfft

    snake = contour.T.astype(float)
    count = len(contour)
    curvature = 2 - 2 * np.cos(2 * np.pi * np.arange(count // 2 + 1) / count)
    stiffness = GAMMA + alpha * curvature + beta * curvature**2
    shapes = np.empty((LAST_SHAPES, *snake.shape))
    for step in range(iterations):
        pulled = GAMMA * snake + _force(edges, snake)
        snake += np.tanh(irfft(rfft(pulled) / stiffness, count) - snake)
        turn = step % (LAST_SHAPES + 1)
        if turn < LAST_SHAPES:
            shapes[turn] = snake
        elif np.abs(shapes - snake).sum(axis=1).max(axis=1).min() < CONVERGED:
            break
    return snake.T


def _spline(values: np.ndarray) -> np.ndarray:
    """Coefficients (n + 2, m) of the quadratic splines through the columns of an array (n, m).

    They are the splines of scipy's `RectBivariateSpline`, whose knots lie midway between the values but for
    the outermost two at either end; here knots lie there, too, without effect, so that all pieces are alike.
    """
    from scipy.linalg import solve_banded

    bands = np.zeros((7, len(values) + 2))
    bands[[2, 3, 4]] = [[1 / 8], [6 / 8], [1 / 8]]
    # The first and the last equation: the second derivative does not jump at the outermost knot.
    bands[[3, 2, 1, 0], [0, 1, 2, 3]] = bands[[3, 4, 5, 6], [-1, -2, -3, -4]] = 1, -3, 3, -1
    padded = np.pad(values.T, ((0, 0), (1, 1))).T
    return solve_banded((3, 3), bands, padded, overwrite_ab=True, overwrite_b=True, check_finite=False)


def _force(edges: np.ndarray, snake: np.ndarray) -> np.ndarray:
    """The gradient (2, N) of the edges at points (2, N); beyond the image that at its border."""
    rows, columns = edges.shape
    inside = np.clip(snake, 0, [[rows - 3], [columns - 3]])
    pixel = np.rint(inside)
    t = inside - pixel
    values = np.array([(0.5 - t) ** 2 / 2, 0.75 - t**2, (0.5 + t) ** 2 / 2])
    slopes = np.array([t - 0.5, -2 * t, t + 0.5])
    first = (pixel[0] * columns + pixel[1]).astype(int)
    around = edges.ravel()[np.add.outer(columns * np.arange(3), np.arange(3))[..., None] + first]
    down = np.einsum("yn,yn->n", slopes[:, 0], np.einsum("yxn,xn->yn", around, values[:, 1]))
    across = np.einsum("yn,yn->n", values[:, 0], np.einsum("yxn,xn->yn", around, slopes[:, 1]))
    return np.array([down, across])


def enclosed(snake: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The pixels whose centres a snake encloses, as by `skimage.draw.polygon2mask`, and those it runs through.

    A centre is enclosed that an odd number of edges lie left of. That takes the rows that each edge
    crosses, not every pixel and every edge.

    Parameters
    ----------
    snake : ndarray of shape (N, 2)
        Points (row, column).
    shape : tuple of 2 int
        Rows and columns of the mask.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
    """
    rows, columns = shape
    (y, x), (next_y, next_x) = snake.T, np.roll(snake, -1, axis=0).T
    # An edge crosses the rows from its upper end to before its lower end, so that each end counts for one edge.
    top, bottom = np.clip(np.ceil([np.minimum(y, next_y), np.maximum(y, next_y)]), 0, rows).astype(int)
    edge = np.repeat(np.arange(len(snake)), bottom - top)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(bottom - top) - bottom, bottom - top)
    column = x[edge] + (row - y[edge]) * (next_x - x)[edge] / (next_y - y)[edge]
    first = row * (columns + 1) + np.clip(np.ceil(column), 0, columns).astype(int)
    crossings = np.bincount(first, minlength=rows * (columns + 1)).reshape(rows, columns + 1)
    mask = (np.cumsum(crossings, axis=1) % 2 == 1)[:, :columns]
    mask[tuple(np.clip(np.rint(snake).astype(int), 0, np.subtract(shape, 1)).T)] = True
    return mask
