"""A finite mixture by enumeration, one row and one component at a time: what the compiled E-step must equal.

Plain loops in the parameters a person would write (means, covariances); only densities come from `normal`. Vectors of
statistics are laid out as the kernels promise: counts first, then each stream's group.
"""

from dataclasses import dataclass
from itertools import product
from math import exp, inf, isnan, log

import numpy as np
from naive import censored, normal


@dataclass(frozen=True)
class Full:
    """A normal vector in columns first, first + 1, ...; ``excess`` makes its potential more or less than a density."""

    first: int
    means: np.ndarray  # (K, d)
    covariances: np.ndarray  # (K, d, d)
    excess: np.ndarray  # (K,)

    def split(self, row):
        x = row[self.first : self.first + self.means.shape[1]]
        return x, np.flatnonzero(~np.isnan(x)), np.flatnonzero(np.isnan(x))

    def log_potential(self, row, k):
        x, o, _ = self.split(row)
        if len(o) == 0:
            return self.excess[k]
        return self.excess[k] + normal.log_density_of_vector(x[o], self.means[k][o], self.covariances[k][np.ix_(o, o)])

    def moments(self, row, k):
        """E[x], Cov[x] given the observed values."""
        x, o, m = self.split(row)
        S, mean, cov = self.covariances[k], x.copy(), np.zeros_like(self.covariances[k])
        G = S[np.ix_(m, o)] @ np.linalg.inv(S[np.ix_(o, o)])
        mean[m] = self.means[k][m] + G @ (x[o] - self.means[k][o])
        cov[np.ix_(m, m)] = S[np.ix_(m, m)] - G @ S[np.ix_(o, m)]
        return mean, cov

    def statistics(self, row, k, centre):
        mean, cov = self.moments(row, k)
        mean = mean - centre[self.first : self.first + len(mean)]
        return [1.0, mean, np.outer(mean, mean) + cov]


@dataclass(frozen=True)
class Diagonal:
    """Independent normals; a missing dimension is left out."""

    first: int
    means: np.ndarray  # (K, d)
    sds: np.ndarray  # (K, d)
    excess: np.ndarray  # (K, d)

    def log_potential(self, row, k):
        total = 0.0
        for j in range(self.means.shape[1]):
            x = row[self.first + j]
            if not isnan(x):
                total += self.excess[k, j] + normal.log_density(x, self.means[k, j], self.sds[k, j])
        return total

    def statistics(self, row, k, centre):
        d = self.means.shape[1]
        n, s1, s2 = np.zeros(d), np.zeros(d), np.zeros(d)
        for j in range(d):
            x = row[self.first + j] - centre[self.first + j]
            if not isnan(x):
                n[j], s1[j], s2[j] = 1.0, x, x * x
        return [n, s1, s2]


@dataclass(frozen=True)
class Linear:
    """sum_q T_q eta_kq."""

    first: int
    eta: np.ndarray  # (K, q)

    def log_potential(self, row, k):
        terms = [(row[self.first + j], self.eta[k, j]) for j in range(self.eta.shape[1])]
        return sum(t * e for t, e in terms if t != 0.0)

    def statistics(self, row, k, centre):
        return [row[self.first : self.first + self.eta.shape[1]]]


@dataclass(frozen=True)
class Lookup:
    """eta_k[code]."""

    first: int
    eta: np.ndarray  # (K, C)

    def log_potential(self, row, k):
        code = int(row[self.first])
        return 0.0 if code < 0 else self.eta[k, code]

    def statistics(self, row, k, centre):
        return [np.array([float(c == int(row[self.first])) for c in range(self.eta.shape[1])])]


@dataclass(frozen=True)
class Regression:
    """A response in the last column, predictors in those before; ``V`` is subtracted as x'V x / 2."""

    first: int
    coefficients: np.ndarray  # (K, p)
    sds: np.ndarray  # (K,)
    V: np.ndarray  # (K, p, p)
    excess: np.ndarray  # (K,)

    def split(self, row):
        last = self.first + self.coefficients.shape[1]
        return row[self.first : last], row[last]

    def log_potential(self, row, k):
        x, y = self.split(row)
        if isnan(y):
            return 0.0
        line = sum(b * v for b, v in zip(self.coefficients[k], x))
        return self.excess[k] + normal.log_density(y, line, self.sds[k]) - 0.5 * x @ self.V[k] @ x

    def statistics(self, row, k, centre):
        x, y = self.split(row)
        seen = 0.0 if isnan(y) else 1.0
        v = seen * np.append(x, 0.0 if isnan(y) else y)
        return [seen, np.outer(v, v)]


@dataclass(frozen=True)
class Censored(Regression):
    """A regression of which only an interval is known, in the two columns after the predictors: an integral over it."""

    def split(self, row):
        last = self.first + self.coefficients.shape[1]
        return row[self.first : last], row[last : last + 2]

    def known(self, row, k):
        x, (low, high) = self.split(row)
        line = sum(b * v for b, v in zip(self.coefficients[k], x))
        return censored.moments(low, high, line, self.sds[k])

    def log_mass(self, row, k):
        """Of the potential, over the whole line."""
        x = self.split(row)[0]
        return self.excess[k] - 0.5 * x @ self.V[k] @ x

    def log_potential(self, row, k):
        if isnan(self.split(row)[1][0]):
            return 0.0
        return self.log_mass(row, k) + self.known(row, k).log_mass

    def statistics(self, row, k, centre):
        x, ends = self.split(row)
        if isnan(ends[0]):
            return [0.0, np.zeros((len(x) + 1, len(x) + 1))]
        y = self.known(row, k)
        cross = np.outer(np.append(x, y.mean), np.append(x, y.mean))
        cross[-1, -1] += y.variance
        return [1.0, cross]


@dataclass(frozen=True)
class Truncated(Censored):
    """A response that is there because it lies between two limits, in the columns after it.

    With Z the potential's mass outside them, Z / (1 - Z) rows were hidden for each one seen.
    """

    def split(self, row):
        last = self.first + self.coefficients.shape[1]
        return row[self.first : last], row[last : last + 3]

    def outside(self, row, k):
        """Z, E[y], E[y^2] outside the limits; 1 - Z."""
        x, (_, low, high) = self.split(row)
        line = sum(b * v for b, v in zip(self.coefficients[k], x))
        mass = exp(self.log_mass(row, k))
        total = first = second = 0.0
        for a, b in ((-inf, low), (high, inf)):
            if a < b:
                tail = censored.moments(a, b, line, self.sds[k])
                total += exp(tail.log_mass)
                first += exp(tail.log_mass) * tail.mean
                second += exp(tail.log_mass) * (tail.variance + tail.mean**2)
        inside = float(np.exp(censored.log_mass((low - line) / self.sds[k], (high - line) / self.sds[k])))
        if total == 0.0:
            return 0.0, 0.0, 0.0, 1.0
        return mass * total, first / total, second / total, 1.0 - mass + mass * inside

    def log_potential(self, row, k):
        x, (y, _, _) = self.split(row)
        if isnan(y):
            return 0.0
        line = sum(b * v for b, v in zip(self.coefficients[k], x))
        return self.log_mass(row, k) + normal.log_density(y, line, self.sds[k]) - log(self.outside(row, k)[3])

    def statistics(self, row, k, centre):
        x, (y, _, _) = self.split(row)
        if isnan(y):
            return [0.0, np.zeros((len(x) + 1, len(x) + 1))]
        hidden, mean, square, rest = self.outside(row, k)
        m = hidden / rest
        total, squares = y + m * mean, y * y + m * square
        if m > self.most and self.log_mass(row, k) == 0.0:
            m, total, squares = self.counted(row, k)
        cross = np.zeros((len(x) + 1, len(x) + 1))
        cross[:-1, :-1] = (1.0 + m) * np.outer(x, x)
        cross[-1, :-1] = cross[:-1, -1] = x * total
        cross[-1, -1] = squares
        return [1.0 + m, cross]

    most = 1e6  # hidden rows per seen one that are counted

    def counted(self, row, k):
        """As many, and sums about the line as if all were: the whole population has residuals 0, and squares sd^2."""
        x, (y, low, high) = self.split(row)
        line, sd = sum(b * v for b, v in zip(self.coefficients[k], x)), self.sds[k]
        seen = censored.moments(low, high, line, sd)
        residuals = y - seen.mean
        squares = sd**2 * (1.0 + self.most) + (y - line) ** 2 - (seen.mean - line) ** 2 - seen.variance
        rows = 1.0 + self.most
        total = rows * line + residuals
        return self.most, total, squares + 2.0 * line * total - rows * line**2


@dataclass(frozen=True)
class Robust(Censored):
    """Censored with Student t errors: an integral over the multiplier u of the precision. The last column is df."""

    def split(self, row):
        last = self.first + self.coefficients.shape[1]
        return row[self.first : last], row[last : last + 3]

    def integrals(self, row, k):
        """Of 1, u, u z and u z^2 over u and the interval of z = y - line, by the trapezoidal rule in log u."""
        x, (low, high, df) = self.split(row)
        line, step = sum(b * v for b, v in zip(self.coefficients[k], x)), 0.05
        u = np.exp(np.arange(-90.0, 8.0, step))
        sd = self.sds[k] / np.sqrt(u)
        if low == high:
            z = low - line
            mass, first, second = np.array([1.0, z, z * z])[:, None] * normal.density(z, 0.0, sd)
        else:
            a, b = (low - line) / sd, (high - line) / sd
            mass = np.exp(censored.log_mass(a, b))
            at_a, at_b = normal.density(a), normal.density(b)
            first = sd * (at_a - at_b)
            ends = np.where(np.isfinite(a), a, 0.0) * at_a - np.where(np.isfinite(b), b, 0.0) * at_b
            second = sd**2 * (mass + ends)
        weight = exp(self.excess[k]) * np.exp(-0.5 * u * (x @ self.V[k] @ x)) * normal.density_of_multiplier(u, df) * u
        return [float((weight * part).sum() * step) for part in (mass, u * mass, u * first, u * second)], line

    def log_potential(self, row, k):
        return 0.0 if isnan(self.split(row)[1][0]) else log(self.integrals(row, k)[0][0])

    def statistics(self, row, k, centre):
        x, ends = self.split(row)
        if isnan(ends[0]):
            return [0.0, np.zeros((len(x) + 1, len(x) + 1))]
        (whole, u, uz, uzz), line = self.integrals(row, k)
        cross = np.zeros((len(x) + 1, len(x) + 1))
        cross[:-1, :-1] = u * np.outer(x, x)
        cross[-1, :-1] = cross[:-1, -1] = x * (uz + line * u)
        cross[-1, -1] = uzz + 2.0 * line * uz + line**2 * u
        return [1.0, cross / whole]


@dataclass(frozen=True)
class Student:
    """A Student t; ``extra`` is what CAVI adds to the expected squares: a variance of the mean."""

    first: int
    means: np.ndarray  # (K,)
    sigmas: np.ndarray  # (K,)
    df: np.ndarray  # (K,)
    extra: np.ndarray  # (K,)

    def weigh(self, row, k, function):
        """Integral of function(u) N(x; mean, sigma^2 / u) exp(-u extra / 2) Gamma(u; df / 2, df / 2), over log u."""
        df, step = self.df[k], 0.1
        u = np.exp(np.arange(-60.0, 8.0, step))
        density = normal.density(row[self.first], self.means[k], self.sigmas[k] / np.sqrt(u)) * np.exp(
            -0.5 * u * self.extra[k]
        )
        return float((function(u) * density * normal.density_of_multiplier(u, df) * u).sum() * step)

    def log_potential(self, row, k):
        return 0.0 if isnan(row[self.first]) else log(self.weigh(row, k, lambda u: 1.0))

    def statistics(self, row, k, centre):
        x = row[self.first] - centre[self.first]
        if isnan(x):
            return [0.0] * 4
        u = self.weigh(row, k, lambda u: u) / self.weigh(row, k, lambda u: 1.0)
        return [u, u * x, u * x * x, 1.0]


@dataclass(frozen=True)
class Mixture:
    log_weights: np.ndarray
    streams: tuple

    @property
    def K(self):
        return len(self.log_weights)


def log_joint(model, row, label=-1):
    """[log w_k + log potential_k], -inf where the label excludes k."""
    return [
        -inf if label not in (-1, k) else model.log_weights[k] + sum(s.log_potential(row, k) for s in model.streams)
        for k in range(model.K)
    ]


def log_sum(values):
    top = max(values)
    return top if top == -inf else top + log(sum(exp(v - top) for v in values))


def responsibilities(joints):
    """Of the rows with these log joint densities."""
    out = np.zeros((len(joints), len(joints[0])))
    for i, joint in enumerate(joints):
        total = log_sum(joint)
        for k, term in enumerate(joint):
            out[i, k] = exp(term - total) if total > -inf else 0.0
    return out


def statistics(model, y, centre, weighted):
    """Weighted sums of the statistics; ``weighted`` (n, K) is case weight times responsibility."""
    groups = [weighted.sum(axis=0)]
    for stream in model.streams:
        sums = None
        for i, k in product(range(len(y)), range(model.K)):
            terms = [np.asarray(t, float) for t in stream.statistics(y[i], k, centre)]
            if sums is None:
                sums = [np.zeros((model.K, *t.shape)) for t in terms]
            for total, term in zip(sums, terms):
                total[k] += weighted[i, k] * term
        groups += [total.ravel() for total in sums]
    return np.concatenate(groups)


def enumerated_evidence(model, y):
    """log of the sum over every assignment of rows to components, of the joint density of rows and assignment."""
    joints = [log_joint(model, row) for row in y]
    return log_sum([sum(joint[k] for joint, k in zip(joints, z)) for z in product(range(model.K), repeat=len(y))])
