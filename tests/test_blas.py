"""One thread of BLAS while matrices are small, and as many as before afterwards, also where fits overlap."""

import threading

import numpy as np
import threadpoolctl

import em_vs_bayes as evb
from em_vs_bayes.common.blas import SMALL, one_thread


def threads():
    return {lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"}


def test_the_limit_ends_with_those_who_hold_it():
    inside, done = threading.Event(), threading.Event()

    def other():
        with one_thread(10):
            inside.set()
            done.wait(10.0)

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        with one_thread(SMALL + 1):
            assert threads() == before
        with one_thread(10):
            with one_thread(10):
                assert threads() == {1}
            assert threads() == {1}
            thread = threading.Thread(target=other)
            thread.start()
            assert inside.wait(10.0)
        done.set()
        thread.join()
        assert threads() == before
        fit = evb.GaussianMixture(2).fit(np.random.default_rng(0).normal(size=(60, 2)), n_init=2, progressbar=False)
        fit.std_errors()
        assert threads() == before
