"""The report: one file that needs nothing else, says every finding and draws every figure without pyplot."""

import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fakes import FakeFit, around, data, em, swapped
from matplotlib.colors import to_rgba
from scipy.stats import multivariate_normal, poisson

import em_vs_bayes as evb
from em_vs_bayes.common import words
from em_vs_bayes.comparison.compare import compare
from em_vs_bayes.report import (
    chains,
    densities,
    figures,
    page,
    states,
)

VOID = {"meta", "img", "br"}


class Structure(HTMLParser):
    """Tags that are not closed in order, addresses, images, text."""

    def __init__(self):
        super().__init__()
        self.open, self.misplaced, self.addresses, self.images, self.ids, self.text = (
            [],
            [],
            [],
            [],
            set(),
            "",
        )

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.addresses += [attrs[a] for a in ("href", "src") if a in attrs]
        self.images += [attrs] if tag == "img" else []
        self.ids |= {attrs["id"]} if "id" in attrs else set()
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.misplaced.append(tag)

    def handle_data(self, data):
        self.text += data


def parsed(html):
    structure = Structure()
    structure.feed(html)
    return structure


@pytest.fixture(scope="module")
def comparison():
    y = data()
    stray = around(seed=5)
    stray["means"][2] += 3.0
    return compare(
        [
            em(y),
            FakeFit(y, "vi", around(chains=1, draws=500, scale=0.6)),
            FakeFit(y, "gibbs", swapped(around(seed=4))),
            FakeFit(y, "nuts", stray),
        ]
    )


@pytest.fixture(scope="module")
def html(comparison):
    return page.render(comparison)


def test_the_page_is_sound_html(html):
    structure = parsed(html)
    assert html.lstrip().startswith("<!doctype html>")
    assert not structure.misplaced and not structure.open


def test_the_page_needs_nothing_else(html, comparison, tmp_path):
    assert "http:" not in html and "https:" not in html and "@import" not in html and "<script" not in html
    structure = parsed(html)
    for address in structure.addresses:
        assert address.startswith("data:image/webp;base64,") or address[1:] in structure.ids, address[:60]
    path = comparison.report(tmp_path / "report.html")
    assert path.stat().st_size < 3e6


def test_every_image_is_there_with_words_for_it(html):
    images = parsed(html).images
    assert len(images) == 6  # densities, forest, two samplers, histories, seconds
    for image in images:
        picture = b64decode(image["src"].split(",")[1])
        assert picture[:4] == b"RIFF" and picture[8:12] == b"WEBP"
        assert len(image["alt"]) > 10


def test_the_page_says_every_finding_and_parameter(html, comparison):
    text = " ".join(parsed(html).text.split())
    assert {f.kind for f in comparison.findings} >= {"agreement", "stuck_chain", "underdispersed"}
    for finding in comparison.findings:
        assert " ".join(finding.sentence.split()) in text
    for label in comparison.table.index:
        assert label in text
    for a in comparison.aligned:
        assert str(a.fit.status) in text
    assert re.search(r"numpy \d", text) and re.search(r"Python 3\.\d+", text)


def test_names_from_data_are_escaped(comparison):
    spec = comparison.fits[0].spec
    odd = type("Odd", (type(spec),), {"__str__": lambda self: "<script>alert(1)</script>"})(2)
    fits = [em(data(), spec=odd)]
    html = page.render(compare(fits))
    assert "<script" not in html and "&lt;script&gt;" in html


def test_one_point_estimate_alone_makes_a_page():
    html = page.render(compare([em(data())]))
    assert "Chains" not in parsed(html).text and "k-hat" not in html


def test_pyplot_is_left_alone(comparison):
    before = plt.get_fignums()
    page.render(comparison)
    assert plt.get_fignums() == before


def test_forest_shows_the_table(comparison):
    """Distances from gibbs, the one sampler that mixed, in its standard deviations."""
    ax = figures.forest(comparison).axes[0]
    drawn = {line.get_label(): line.get_xdata() for line in ax.lines}
    base = comparison.table["gibbs"]
    for a in comparison.aligned:
        want = (comparison.table[a.name]["estimate"] - base["estimate"]) / base["sd"]
        np.testing.assert_allclose(drawn[a.name], want)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(comparison.table.index)


def test_density_curves_enclose_one(comparison):
    ax = densities.densities(comparison).axes[0]
    for line in ax.lines[:4]:
        assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(1.0, abs=0.02)
    parts = sum(np.trapezoid(line.get_ydata(), line.get_xdata()) for line in ax.lines[4:6])
    assert parts == pytest.approx(1.0, abs=0.02)


def test_ranks_tell_the_stray_chain(comparison):
    stray = next(a for a in comparison.aligned if a.name == "nuts")
    axes = chains.traces(comparison, stray).axes
    right = axes[2 * list(comparison.table.index).index("means[component 0]") + 1]
    reach = [np.abs(line.get_ydata()).max() for line in right.lines]
    assert np.argmax(reach) == 2 and reach[2] == pytest.approx(0.75, abs=0.02)


def test_seconds_and_histories_carry_the_numbers(comparison):
    assert [t.get_text() for t in figures.seconds(comparison).axes[0].texts] == ["0.51 s"] * 4
    assert len(figures.histories(comparison).axes) == 2  # em and vi


def test_text_and_fragment_hold_every_finding(comparison):
    told = " ".join(str(comparison).split())
    markup = " ".join(parsed(comparison._repr_html_()).text.split())
    for finding in comparison.findings:
        assert finding.sentence in told
        assert finding.sentence in markup


@pytest.mark.parametrize(
    ("x", "digits", "text"),
    [
        (0, 3, "0"),
        (1234.5678, 3, "1,235"),
        (1234.5678, 6, "1,234.57"),
        (0.0123456, 2, "0.012"),
        (-1.5, 3, "-1.50"),
        (1.5e9, 3, "1.50e+09"),
        (2e-6, 2, "2.0e-06"),
        (float("nan"), 3, "–"),
        (float("inf"), 3, "inf"),
    ],
)
def test_number(x, digits, text):
    assert words.number(x, digits) == text


def test_estimates_stop_where_their_sd_does():
    assert words.to_precision_of(3.14159, 0.012) == "3.142"
    assert words.to_precision_of(70.123, 0.9) == "70.12"
    assert words.to_precision_of(1234.6, 56.0) == "1,235"
    assert words.to_precision_of(2.5, float("nan")) == "2.500"
    assert words.interval(1.0, 2.0, 0.5) == "[1.00, 2.00]"


def test_the_same_comparison_gives_the_same_page(comparison, html):
    strip = re.compile(r"Written .*? by")
    assert strip.sub("", page.render(comparison)) == strip.sub("", html)


# --- real fits ---


@pytest.fixture(scope="module")
def iris_like():
    """Three features, one value missing; EM and VI alone, which need no chains."""
    rng = np.random.default_rng(5)
    y = np.vstack([rng.normal(0, 1, (60, 3)), rng.normal(4, 1, (60, 3))])
    y[3, 1] = np.nan
    return y


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_every_covariance_in_every_dimension_makes_a_page(iris_like, covariance, d):
    spec = evb.GaussianMixture(2, covariance=covariance)
    c = compare(spec, iris_like[:, :d], methods=("em", "vi"), seed=1, progressbar=False)
    html = page.render(c)
    assert "The data with the density" in html
    assert not parsed(html).misplaced
    if d > 1:
        full = densities.full_covariances(c.aligned[0])
        assert full.shape == (2, d, d)
        point = c.aligned[0].params["means"] + 0.3
        joint = np.stack([multivariate_normal(m, s).logpdf(point) for m, s in zip(c.aligned[0].params["means"], full)])
        mixed = np.log((c.aligned[0].params["weights"][:, None] * np.exp(joint)).sum(0))
        np.testing.assert_allclose(c.aligned[0].fit.score_samples(point), mixed, rtol=1e-9)


@pytest.mark.parametrize(
    ("emission", "y", "weights"),
    [
        (evb.emissions.Normal(), np.arange(12.0) % 7 + np.arange(12) // 6 * 9, None),
        (evb.emissions.Poisson(), np.arange(12) % 5 + np.arange(12) // 6 * 20, np.arange(1, 13)),
        (evb.emissions.Exponential(), np.geomspace(0.01, 100, 15), None),
        (evb.emissions.Bernoulli(), np.arange(12) % 2, None),
    ],
    ids=lambda x: type(x).__name__,
)
def test_every_emission_makes_a_page(emission, y, weights):
    spec = evb.Mixture(emission, 2)
    c = compare(spec, y, methods=("em", "vi"), seed=1, weights=weights, progressbar=False)
    html = page.render(c)
    assert f"{len(y)} observations of y" in html
    ax = densities.densities(c).axes[0]
    if weights is not None:  # bars are shares of weight
        bars = {round(b.get_x() + b.get_width() / 2): b.get_height() for b in ax.patches}
        assert bars[20] == pytest.approx(weights[y == 20].sum() / weights.sum())


def test_streams_make_a_page_without_a_picture_of_data():
    rng = np.random.default_rng(0)
    y = {"u": rng.normal(size=30), "v": rng.poisson(3, 30)}
    spec = evb.Mixture(evb.emissions.Product(u=evb.emissions.Normal(), v=evb.emissions.Poisson()), 2)
    c = compare(spec, y, methods=("em", "vi"), seed=1, progressbar=False)
    html = page.render(c)
    assert "30 observations of u, v" in html and 'id="data"' not in html


def test_samplers_end_to_end(tmp_path):
    y = evb.datasets.load("faithful")
    quick = {"draws": 200, "tune": 200, "chains": 2}
    c = compare(evb.GaussianMixture(2), y, seed=1, progressbar=False, options={"gibbs": quick, "nuts": quick})
    means = [f"means[component {k}, feature {x}]" for k in (0, 1) for x in ("eruptions", "waiting")]
    for a in c.aligned:  # the literature's clusters: short (2.04, 54.5), long (4.29, 80.0)
        found = c.table[a.name]["estimate"][means].to_numpy().reshape(2, 2)
        found = found[found[:, 0].argsort()]
        np.testing.assert_allclose(found, [[2.04, 54.5], [4.29, 80.0]], rtol=0.01)
    assert set(c.elpd.index) == {"vi", "gibbs", "nuts"}
    assert "agreement" in {f.kind for f in c.findings}
    path = c.report(tmp_path / "r.html")
    assert path.stat().st_size < 3e6
    assert "Seed: 1." in path.read_text(encoding="utf-8")


# --- hidden Markov models -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chains_compared():
    """Earthquakes in two sequences, a row of them missing, by EM and by Gibbs."""
    counts = evb.datasets.load("quakes")[["count"]].astype(float)
    counts.iloc[7] = np.nan
    spec = evb.HMM(evb.emissions.Poisson(), 2)
    return compare(
        spec,
        counts,
        methods=("em", "gibbs"),
        lengths=[60, 47],
        seed=1,
        options={"gibbs": {"draws": 200, "tune": 200, "chains": 2}},
        progressbar=False,
    )


def test_the_page_of_a_hidden_markov_model(chains_compared):
    html = page.render(chains_compared)
    structure = parsed(html)
    assert not structure.misplaced and not structure.open
    # states over time, transitions, densities, residuals, forest, a sampler, histories, seconds
    assert len(structure.images) == 8
    assert {"states", "residuals", "data"} <= structure.ids
    text = " ".join(structure.text.split())
    for words_ in (
        "in 2 sequences, 1 values missing",
        "dwell time",
        "Prediction of a row left out",
        "before and after it",
    ):
        assert words_ in text
    for finding in chains_compared.findings:
        assert " ".join(finding.sentence.split()) in text
    sequences = page.render(compare(list(chains_compared.fits), log_likelihood="sequence"))
    assert "Prediction of a sequence left out" in sequences


def test_paths_are_those_of_viterbi_in_the_labels_of_the_reference(chains_compared):
    figure = states.paths(chains_compared)
    assert len(figure.axes) == 4  # two sequences, data and probabilities
    fit = chains_compared.reference
    decoded, y = fit.predict(), np.asarray(fit.program.y)[:, 0]
    offsets = figure.axes[0].collections[-1]
    np.testing.assert_allclose(offsets.get_offsets()[:, 1].filled(np.nan), y[:60])
    shades = [to_rgba(figures.COMPONENT[k]) for k in decoded[:60]]
    np.testing.assert_allclose(offsets.get_facecolors(), shades)
    top = figure.axes[3].patches[0].get_data().values
    np.testing.assert_allclose(top, fit.predict_proba()[60:, 0])
    gibbs = chains_compared.aligned[1]
    turned = replace(gibbs, order=gibbs.order[::-1])
    np.testing.assert_array_equal(states.path(turned), 1 - states.path(gibbs))


def test_long_and_many_sequences_are_cut_and_the_page_says_so():
    y = np.random.default_rng(0).normal(size=(states.ROWS + 300, 2))
    params = {
        "initial": [0.5, 0.5],
        "transition": [[0.9, 0.1], [0.1, 0.9]],
        "means": [[0.0, 0.0], [1.0, 1.0]],
        "covariances": [np.eye(2)] * 2,
    }
    spec = evb.GaussianHMM(2)
    long = compare([spec.at(y, params)])
    many = compare([spec.at(y, params, lengths=[900, 300, 300, 300])])
    assert states.shown(long) == [(0, states.ROWS)]
    assert states.shown(many) == [(0, 900), (900, 1200), (1200, 1500)]
    assert page._shown(long) == "Of a long sequence the first 1,500 rows."
    assert page._shown(many) == "The first 3 of 4 sequences."
    assert len(states.paths(many).axes) == 9


def test_forecasts_are_those_of_the_fits(chains_compared):
    assert states.ahead(chains_compared) is None  # two sequences have two ends
    y = evb.datasets.load("quakes")["count"].to_numpy()
    params = {"initial": [0.5, 0.5], "transition": [[0.9, 0.1], [0.2, 0.8]], "rates": [15.0, 26.0]}
    c = compare([evb.HMM(evb.emissions.Poisson(), 2).at(y, params)])
    ax = states.ahead(c).axes[0]
    past, means = ax.lines[0], ax.lines[1]
    np.testing.assert_array_equal(past.get_ydata(), y[-states.PAST :])
    want = c.fits[0].forecast(states.STEPS, 0.95)
    np.testing.assert_allclose(means.get_ydata(), want["mean"])
    ends = np.array([segment[:, 1] for segment in ax.collections[0].get_segments()])
    np.testing.assert_allclose(ends, want[["lower", "upper"]])
    assert 'id="ahead"' in page.render(c)


def test_transitions_show_the_table(chains_compared):
    figure = states.transitions(chains_compared)
    for ax, a in zip(figure.axes, chains_compared.aligned, strict=True):
        shown = [t.get_text().split("\n")[0] for t in ax.texts]
        assert shown == [f"{x:.2f}" for x in a.params["transition"].ravel()]
    row = chains_compared.table["gibbs"].loc["transition[state 0, state_to 1]"]
    assert figure.axes[1].texts[1].get_text().endswith(f"{row['lower']:.2f} – {row['upper']:.2f}")


def test_densities_forget_the_order(chains_compared):
    """The mixture of the states' densities, each by its share of the rows."""
    a = chains_compared.aligned[0]
    share = a.fit.predict_proba().mean(axis=0)
    at = np.arange(5.0, 40.0)
    want = (share * poisson.pmf(at[:, None], a.fit.params["rates"])).sum(axis=1)
    np.testing.assert_allclose(np.exp(densities.without_order(a).score_samples(at)), want, rtol=1e-8)


def test_streams_without_a_joint_density_have_paths():
    emission = evb.emissions.Product(u=evb.emissions.Normal(), v=evb.emissions.Poisson())
    own = {"u_means": [0.0, 3.0], "u_sigmas": [1.0, 1.0], "v_rates": [1.0, 5.0]}
    chain = {"initial": [0.5, 0.5], "transition": [[0.9, 0.1], [0.1, 0.9]]}
    y = pd.DataFrame({"u": [0.1, 3.2, 2.9, -0.3, 0.2], "v": [0.0, 6.0, 4.0, 1.0, 1.0]})
    c = compare([evb.HMM(emission, 2).at(y, chain | own)])
    assert [ax.get_ylabel() for ax in states.paths(c).axes] == ["u", "v", "probability"]
    html = page.render(c)
    assert 'id="states"' in html and 'id="data"' not in html


def test_names_are_taken_as_they_are():
    """A dollar starts no formula, and no name moves the cursor, turns the text or changes colours."""
    rng = np.random.default_rng(0)
    names = ["$cost_{$", "red\x1b[31m\r\u202ename"]
    y = pd.DataFrame({name: rng.normal(5.0 * np.repeat([0, 1], 40)) for name in names})
    fits = [evb.GaussianMixture(2).fit(y, m, seed=1, progressbar=False) for m in ("em", "vi")]
    c = evb.compare(fits)
    for text in (page.render(c), page.fragment(c), str(c), repr(fits[0]), fits[0].summary().to_string()):
        assert not set("\x1b\r\u202e") & set(text)
    assert r"red\x1b[31m\r\u202ename" in str(c) and "$cost_{$" in str(c)
    evb.compare([evb.Mixture(evb.emissions.Normal(), 2).fit(y.iloc[:, :1], progressbar=False)])._repr_html_()


@pytest.mark.parametrize("name", ["a/b", "a\x1bb"])
def test_streams_that_no_tree_can_hold_are_refused(name):
    with pytest.raises(ValueError, match=r"Product got a stream .*'/'"):
        evb.emissions.Product(**{name: evb.emissions.Normal()})
