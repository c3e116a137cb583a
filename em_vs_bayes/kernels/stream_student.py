"""Student t streams, one column: log potentials, and sums weighted by how near a row lies.

A Student t is a normal whose precision is multiplied by u ~ Gamma(df / 2, df / 2) (Lange, Little & Taylor 1989). With
the best q(u) in place, the log potential of a row is

    c_k - h_k log(1 + t^2),  t = v_k (x - m_k),  h_k = (df + 1) / 2,

at a point (v = 1 / (sigma sqrt df)) and under CAVI alike, where E[(x - mu)^2 / sigma^2] takes the place of the square.
E[u] is g_k / (1 + t^2), and u itself Gamma(h_k, (1 + t^2) h_k / g_k).

pot: c[K], m[K], v[K], h[K], g[K]. stats: n[K] = sum r u, s1[K] = sum r u x, s2[K] = sum r u x^2, count[K] = sum r.
A row whose x is missing adds nothing.
"""

import numpy as np

from em_vs_bayes.kernels.draws import gamma
from em_vs_bayes.kernels.jit import inner, spliced
from em_vs_bayes.kernels.stream_block import BLOCK, lane
from em_vs_bayes.kernels.vectormath import log


@spliced
def add_student(pot, o, first, K, work):
    """logp += c_k - h_k log(1 + t^2)."""
    x, out, x0 = work.x, work.logp, lane(first)
    for k in range(K):
        c, m, v, h, t = pot[o + k], pot[o + K + k], pot[o + 2 * K + k], pot[o + 3 * K + k], lane(k)
        for q in range(BLOCK):
            z = v * (x[x0 + q] - m)
            out[t + q] += c - h * log(1.0 + z * z)


@inner
def _seen(data, first, start, rows, out):
    """out = 1; 0 where x is missing."""
    for q in range(BLOCK):
        out[q] = 1.0
    if data.pattern.size > 0:
        for b in range(rows):
            pattern = data.pattern[start + b]
            if pattern != 0 and not data.observed[pattern, first]:
                out[np.uint64(b)] = 0.0


@spliced
def draw_student(data, first, pot, o, K, s, start, rows, work, rng, z):
    """work.u[s] = the multiplier of each row's precision, drawn given its component z (-1: none)."""
    x, u, x0, u0 = work.x, work.u, lane(first), lane(s)
    _seen(data, first, start, rows, work.z)
    for b in range(rows):
        k, q = z[b], np.uint64(b)
        if k >= 0 and work.z[q] != 0.0:
            t = pot[o + 2 * K + k] * (x[x0 + q] - pot[o + K + k])
            h, g = pot[o + 3 * K + k], pot[o + 4 * K + k]
            u[u0 + q] = gamma(rng, h, (1.0 + t * t) * h / g)


@spliced
def sum_student(data, first, pot, o, K, s, start, rows, work, drawn, stats, at):
    """Add the sums of one block, with u as it was drawn or its expectation."""
    x, r, u, seen, x0, u0 = work.x, work.logp, work.u, work.z, lane(first), lane(s)
    _seen(data, first, start, rows, seen)
    for k in range(K):
        m, v, g, t = pot[o + K + k], pot[o + 2 * K + k], pot[o + 4 * K + k], lane(k)
        n = s1 = s2 = count = 0.0
        if drawn:
            for q in range(np.uint64(rows)):
                if r[t + q] * seen[q] != 0.0:
                    value, ru = x[x0 + q], r[t + q] * u[u0 + q]
                    n += ru
                    s1 += ru * value
                    s2 += ru * value * value
                    count += r[t + q]
        else:
            for q in range(BLOCK):
                value, weight = x[x0 + q], r[t + q] * seen[q]
                z = v * (value - m)
                ru = weight * g / (1.0 + z * z)
                n += ru
                s1 += ru * value
                s2 += ru * value * value
                count += weight
        stats[at + k] += n
        stats[at + K + k] += s1
        stats[at + 2 * K + k] += s2
        stats[at + 3 * K + k] += count
