"""Grey levels: values in bins of one width, as PyRadiomics has them."""

from __future__ import annotations

import numpy as np

BIN_WIDTH = 25
"""Width of a grey-level bin in HU."""


def grey_levels(values: np.ndarray) -> np.ndarray:
    """The bin of each value, 1 for that of the least.

    Parameters
    ----------
    values : ndarray of shape (n,)

    Returns
    -------
    ndarray of uint16, shape (n,)
        ``numpy.digitize(values, getBinEdges(values))`` of PyRadiomics, sooner.
    """
    from radiomics.imageoperations import getBinEdges

    edges = np.asarray(getBinEdges(np.array([values.min(), values.max()]), binWidth=BIN_WIDTH), float)
    # A bin found by division may be a neighbour of the right one, which edges decide as they are.
    below = np.minimum(((values - edges[0]) / BIN_WIDTH).astype(np.intp), len(edges) - 1)
    after = np.append(edges[1:], np.inf)
    return (below + 1 - (values < edges[below]) + (values >= after[below])).astype(np.uint16)
