"""The M-step of transition rows whose stationary distribution starts every sequence.

The maximum of sum_ij counts_ij log A_ij + sum_k starts_k log delta_k(A) over the free elements of A, each row of which
is ``mass`` times a softmax. Newton's method in the exponents: with Z and delta as in `stationary`, W = sum_k starts_k
Z_.k Z_.k' / delta_k^2 and h = Z (starts / delta), the slope of the second sum is g_ij = delta_i h_j, and along a
direction V it changes by

    delta_i (Z V h)_j + (delta V Z)_i h_j - delta_i (W V' delta)_j

so that a product with the Hessian costs K^2. Each step is solved for by conjugate gradients within a region that grows
and shrinks as the quadratic is to be trusted (Steihaug 1983, "The conjugate gradient method and trust regions in large
scale optimization", SIAM J. Numer. Anal. 20).
"""

import math

import numpy as np

from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.stationary import stationary

STEPS = 200
ROUNDING = 1e-13  # gains below, in units of the objective, are those of the last bits
SMALLEST = 1e-12  # a free element that was zero: so small that nothing is lost, and that it can come back


@inner
def _height(counts, starts, free, A, Z, delta):
    """The objective; minus infinity where delta is not to be had."""
    K = starts.size
    if not stationary(A, 0, K, Z, delta):
        return -math.inf
    total = 0.0
    for k in range(K):
        if starts[k] > 0.0:
            total += starts[k] * math.log(delta[k]) if delta[k] > 0.0 else -math.inf
    for m in range(K * K):
        if free[m] and counts[m] > 0.0:
            total += counts[m] * math.log(A[m]) if A[m] > 0.0 else -math.inf
    return total


@inner
def _slopes(starts, Z, delta, h, W):
    """h and W at a point."""
    K = starts.size
    for i in range(K):
        h[i] = 0.0
        for j in range(K):
            W[i, j] = 0.0
    for k in range(K):
        if starts[k] > 0.0:
            once = starts[k] / delta[k]
            twice = once / delta[k]
            for i in range(K):
                h[i] += Z[i, k] * once
                for j in range(K):
                    W[i, j] += Z[i, k] * Z[j, k] * twice


@inner
def _gradient(counts, free, mass, A, delta, h, mean, g):
    """The gradient in the exponents; ``mean`` (K,) gets what each row's slopes average to."""
    K = delta.size
    for i in range(K):
        mean[i] = 0.0
        if mass[i] > 0.0:
            for j in range(K):
                m = i * K + j
                mean[i] += (counts[m] + A[m] * delta[i] * h[j]) / mass[i] if free[m] else 0.0
        for j in range(K):
            m = i * K + j
            g[m] = counts[m] + A[m] * (delta[i] * h[j] - mean[i]) if free[m] else 0.0


@inner
def _curve(free, mass, A, Z, delta, h, W, mean, x, V, out):
    """out = minus the Hessian times x; ``V`` (K, K) is scratch."""
    K = delta.size
    right, left, turned = np.zeros(K), np.zeros(K), np.zeros(K)
    for i in range(K):
        average = 0.0
        if mass[i] > 0.0:
            for j in range(K):
                average += A[i * K + j] * x[i * K + j] / mass[i] if free[i * K + j] else 0.0
        for j in range(K):
            m = i * K + j
            V[i, j] = A[m] * (x[m] - average) if free[m] else 0.0
            right[i] += V[i, j] * h[j]
            turned[j] += delta[i] * V[i, j]
    for i in range(K):
        for j in range(K):
            left[i] += turned[j] * Z[j, i]
    for i in range(K):
        average = 0.0
        for j in range(K):
            m = i * K + j
            change = left[i] * h[j]
            for k in range(K):
                change += delta[i] * (Z[j, k] * right[k] - W[j, k] * turned[k])
            out[m] = A[m] * change + V[i, j] * delta[i] * h[j] if free[m] else 0.0
            average += out[m]
        for j in range(K):
            m = i * K + j
            if free[m] and mass[i] > 0.0:
                out[m] = -(out[m] - A[m] * average / mass[i] - V[i, j] * mean[i])


@inner
def _reach(x, p, size, radius):
    """How far along p the region's edge is, in the norm of the sizes."""
    a = b = c = 0.0
    for m in range(x.size):
        a += size[m] * p[m] * p[m]
        b += size[m] * x[m] * p[m]
        c += size[m] * x[m] * x[m]
    return (math.sqrt(max(b * b + a * (radius * radius - c), 0.0)) - b) / a


@inner
def _step(g, size, radius, free, mass, A, Z, delta, h, W, mean, x):
    """x = the step; returns what the quadratic gains by it, and whether it ends at the edge."""
    n = g.size
    r, p, q, V = g.copy(), np.empty(n), np.empty(n), np.empty((delta.size, delta.size))
    product = 0.0
    for m in range(n):
        x[m] = 0.0
        p[m] = r[m] / size[m]
        product += r[m] * p[m]
    enough, gain, inside = 1e-16 * product, 0.0, 0.0
    for _ in range(2 * n):
        if not product > enough:
            break
        _curve(free, mass, A, Z, delta, h, W, mean, p, V, q)
        bend = 0.0
        for m in range(n):
            bend += p[m] * q[m]
        edge = _reach(x, p, size, radius)
        along = product / bend if bend > 0.0 else math.inf
        short = min(along, edge)
        gain += short * (product - 0.5 * short * bend)
        for m in range(n):
            x[m] += short * p[m]
        if along >= edge:
            return gain, True
        inside, product = product, 0.0
        for m in range(n):
            r[m] -= along * q[m]
            product += r[m] * r[m] / size[m]
        for m in range(n):
            p[m] = r[m] / size[m] + product / inside * p[m]
    return gain, False


@inner
def _moved(free, mass, A, x, out):
    """out = A with its exponents changed by x."""
    K = mass.size
    for i in range(K):
        top, total = -math.inf, 0.0
        for j in range(K):
            if free[i * K + j]:
                top = max(top, x[i * K + j])
        for j in range(K):
            m = i * K + j
            out[m] = A[m]
            if free[m]:
                out[m] = A[m] * math.exp(x[m] - top)
                total += out[m]
        for j in range(K):
            if free[i * K + j] and total > 0.0:
                out[i * K + j] *= mass[i] / total


@inner
def _lifted(free, mass, A, out):
    """out = A with no free element below `SMALLEST`."""
    K = mass.size
    for i in range(K):
        total = 0.0
        for j in range(K):
            m = i * K + j
            out[m] = max(A[m], SMALLEST) if free[m] else A[m]
            total += out[m] if free[m] else 0.0
        for j in range(K):
            if free[i * K + j]:
                out[i * K + j] *= mass[i] / total


@kernel
def maximum(counts, starts, free, mass, here, other):
    """The maximum reached from the higher of two matrices; never below the first.

    Parameters
    ----------
    counts : (K K,) float64
        Of transitions, the prior's included.
    starts : (K,) float64
        Sequences that start in each state.
    free : (K K,) bool
    mass : (K,) float64
        What the free elements of each row sum to.
    here, other : (K K,) float64
        Transition matrices with the fixed elements in place. ``here`` is overwritten with the best one, unless nothing
        is better.
    """
    K, n = starts.size, counts.size
    Z, delta, h, W, mean = np.empty((K, K)), np.empty(K), np.empty(K), np.empty((K, K)), np.empty(K)
    Y, epsilon = np.empty((K, K)), np.empty(K)  # Z and delta of B
    A, B, g, x, size = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    before = _height(counts, starts, free, here, Z, delta)
    _lifted(free, mass, here, A)
    _lifted(free, mass, other, B)
    height = _height(counts, starts, free, A, Z, delta)
    new = _height(counts, starts, free, B, Y, epsilon)
    if new > height:
        height, A, B, Z, Y, delta, epsilon = new, B, A, Y, Z, epsilon, delta
    radius, settled = 0.0, not height > -math.inf
    for _ in range(STEPS):
        if settled:
            break
        _slopes(starts, Z, delta, h, W)
        _gradient(counts, free, mass, A, delta, h, mean, g)
        rows = 0.0
        for m in range(n):
            size[m] = max(counts[m] + A[m] * abs(mean[m // K]), 1e-30) if free[m] else 1.0
            rows += size[m] if free[m] else 0.0
        if radius == 0.0:
            radius = math.sqrt(rows)
        while True:
            gain, edge = _step(g, size, radius, free, mass, A, Z, delta, h, W, mean, x)
            settled = not gain > ROUNDING * (1.0 + abs(height))
            _moved(free, mass, A, x, B)
            new = _height(counts, starts, free, B, Y, epsilon)
            share = (new - height) / gain if gain > 0.0 and new > -math.inf else -1.0
            if share < 0.25 and not settled:
                radius *= 0.25
            elif share > 0.75 and edge:
                radius *= 2.0
            if settled or share > 0.0:
                break
            if not radius > 1e-12 * math.sqrt(rows):
                settled = True
                break
        if new >= height - ROUNDING * (1.0 + abs(height)) and gain > 0.0:
            height, A, B, Z, Y, delta, epsilon = new, B, A, Y, Z, epsilon, delta
        else:
            settled = True
    if height > before or (height >= before - ROUNDING * (1.0 + abs(before)) and height > -math.inf):
        for m in range(n):
            here[m] = A[m]
