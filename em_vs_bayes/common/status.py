"""How a fit ended, as a sentence that says what happened and what to do."""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """How a fit ended. ``str`` gives the sentence."""

    CONVERGED = "converged: the objective stopped rising and nothing collapsed."
    MAX_ITER = "out of iterations before convergence: go on by fit.resume(max_iter=...); see notes for how far it is."
    SADDLE = (
        "stopped at a saddle point: nothing moves the estimate, but there are higher points beside it. "
        "Use more starts (n_init), others (init=), or fewer components; see notes."
    )
    COLLAPSED = (
        "a component collapsed: its covariance fell to the floor, where the likelihood is unbounded. "
        "Use objective='map', fewer components, a simpler covariance or more starts (n_init)."
    )
    UNBOUNDED = "no maximum: the objective still rises while parameters run off; see notes."
    OBJECTIVE_FELL = "the objective fell beyond rounding: the estimate is not a maximum. Please report this."
    INTERRUPTED = "interrupted: the result is what had been done so far."
    SAMPLED = "sampled: all draws were made, and no diagnostic warns."
    SUSPECT = "sampled, but the diagnostics warn: see notes before using these draws."
    FAILED = "sampling broke off: a conditional became improper or left floating point. See notes."
    APPROXIMATED = "approximated: draws come from a normal in unconstrained coordinates; see its k-hat."
    NO_MEAN = (
        "converged, but some posterior means do not exist: the factor is too wide. What stands in their place is in "
        "the notes; give a stronger prior or ask for fewer components."
    )
    GIVEN = "given: nothing was fitted; the model is evaluated at the parameters it was given."

    def __str__(self) -> str:
        return self.value

    @property
    def good(self) -> bool:
        """Whether the fit did what it set out to do."""
        return self in (Status.CONVERGED, Status.SAMPLED, Status.APPROXIMATED)
