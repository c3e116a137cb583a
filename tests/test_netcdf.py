"""DataTrees go to netCDF files and come back, with what the package installs."""

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes import emissions as e

pytest.importorskip("h5py")
QUIET = {"progressbar": False, "seed": 1}
RNG = np.random.default_rng(4)
Y = pd.DataFrame(RNG.normal(size=(40, 2)), columns=["a", "b"], index=pd.date_range("2020", periods=40))
GAPS = Y.where(RNG.random(Y.shape) > 0.1).dropna(how="all")
LINE = pd.DataFrame({"y": np.maximum(Y["a"], 0.0), "x": Y["b"], "g": ["u", "v"] * 20})
STREAMS = pd.DataFrame({"a": Y["a"], "b": RNG.poisson(3, 40)}).set_index(
    pd.period_range("2020-01", periods=40, freq="M")
)
DRAWS = {"draws": 10, "tune": 10, "chains": 2}
FITS = {
    "em": lambda: evb.GaussianMixture(2).fit(GAPS, max_iter=5, **QUIET),
    "gibbs": lambda: evb.GaussianMixture(2).fit(GAPS, "gibbs", **DRAWS, **QUIET),
    "nuts": lambda: evb.GaussianMixture(1).fit(Y, "nuts", **DRAWS, **QUIET),
    "vi": lambda: evb.GaussianMixture(1).fit(Y, "vi", init="random", **QUIET),
    "sequences": lambda: evb.GaussianHMM(2).fit(Y, lengths=[10, 30], **QUIET).with_log_likelihood("sequence"),
    "line": lambda: evb.Tobit("y ~ x + g").fit(LINE, **QUIET),
    "streams": lambda: evb.Mixture(e.Product(a=e.Normal(), b=e.Poisson()), 2).fit(STREAMS, max_iter=5, **QUIET),
}


@pytest.mark.parametrize("kind", FITS)
def test_there_and_back(kind, tmp_path):
    from xarray import open_datatree

    fit = FITS[kind]()
    fit.idata.to_netcdf(tmp_path / "fit.nc")
    with open_datatree(tmp_path / "fit.nc") as back:
        assert set(back.children) == set(fit.idata.children)
        for group, own in fit.idata.children.items():
            for variable, values in own.data_vars.items():
                np.testing.assert_array_equal(back[group][variable].to_numpy(), values.to_numpy())
                assert back[group][variable].dims == values.dims
            for dim, values in own.coords.items():
                assert (back[group].coords[dim].to_numpy() == values.to_numpy()).all()
        told = [tree["posterior"].attrs for tree in (back, fit.idata)]
        for name in ("method", "status", "spec", "seed", "init", "log_likelihood_kind"):
            assert told[0][name] == told[1][name]


def test_a_zero_in_a_name_is_written_as_python_would(tmp_path):
    frame = Y.set_axis(["a\x00b", "c\x1bd"], axis=1)
    evb.GaussianMixture(1).fit(frame, **QUIET).idata.to_netcdf(tmp_path / "fit.nc")
    import xarray as xr

    with xr.open_datatree(tmp_path / "fit.nc") as tree:
        assert tree["posterior"]["feature"].to_numpy().tolist() == ["a\\x00b", "c\x1bd"]
