"""Anderson's acceleration of EM: the next point mixes the last ones so that their steps would cancel.

Near the maximum the EM map is almost linear, and a mixture that makes its residual vanish there is close to the fixed
point (Anderson 1965; Walker & Ni 2011, equation 2.2; for EM with a monotonicity guard, Henderson & Varadhan 2019).
Unlike SQUAREM it costs no E-step of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

import numpy as np

from em_vs_bayes.common.contract import Array

MEMORY = 12  # pairs kept, at most
CUT = 1e-8  # relative singular value below which a direction of past steps says nothing new


@final
@dataclass(frozen=True, slots=True)
class Trail:
    """Where EM has been in unconstrained coordinates, and the step it took from there.

    Parameters
    ----------
    points, steps : ndarray (m, D)
        Oldest first.
    """

    points: Array
    steps: Array

    @classmethod
    def empty(cls, size: int) -> Self:
        """No past."""
        return cls(np.empty((0, size)), np.empty((0, size)))

    def then(self, point: Array, step: Array) -> Trail:
        """One pair more; the oldest is forgotten."""
        return Trail(np.vstack([self.points, point])[-MEMORY:], np.vstack([self.steps, step])[-MEMORY:])

    def restarted(self) -> Trail:
        """The last pair alone."""
        return replace(self, points=self.points[-1:], steps=self.steps[-1:])

    def next(self) -> Array:
        """The point to go to: the last EM step, corrected by what the past says of where steps lead."""
        point, step = self.points[-1], self.steps[-1]
        if len(self.points) < 2:
            return np.asarray(point + step)
        scale = np.abs(self.steps).max(axis=0)
        scale = np.where(scale > 0.0, scale, 1.0)
        changes = np.diff(self.steps, axis=0)
        mixture = np.linalg.lstsq((changes / scale).T, step / scale, rcond=CUT)[0]
        return np.asarray(point + step - mixture @ (np.diff(self.points, axis=0) + changes))
