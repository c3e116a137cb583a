"""The shipped data are what their sources say: sizes, names and figures that others have published."""

import csv
import hashlib
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from em_vs_bayes import datasets

DATA = Path(datasets.__file__).parent / "sets"
SOURCES = tomllib.loads((DATA / "SOURCES.toml").read_text(encoding="utf-8"))


def test_every_file_has_a_source_and_every_source_a_file():
    assert {path.stem for path in DATA.glob("*.csv")} == set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_file_is_as_described(name):
    facts = SOURCES[name]
    raw = (DATA / f"{name}.csv").read_bytes()
    header, *rows = csv.reader(raw.decode().splitlines())
    assert header == list(facts["columns"])
    assert len(rows) == facts["rows"]
    assert hashlib.sha256(raw).hexdigest() == facts["sha256"]
    assert {"description", "source", "obtained"} <= set(facts)


@pytest.mark.parametrize("name", SOURCES)
def test_frame_and_array_hold_the_file(name):
    lines = (DATA / f"{name}.csv").read_text().splitlines()[1:]
    expected = np.array([[float(cell or "nan") for cell in line.split(",")] for line in lines])
    frame = datasets.load(name)
    np.testing.assert_array_equal(frame.to_numpy(dtype=float), expected)
    np.testing.assert_array_equal(datasets.load(name, as_frame=False), expected)
    assert frame.attrs == {"name": name} | {key: SOURCES[name][key] for key in ("description", "source")}


def test_figures_published_elsewhere():
    faithful = datasets.load("faithful")
    # R: summary(faithful) prints means 3.488 and 70.9, medians 4 and 76
    assert faithful.mean().round(3).to_dict() == {"eruptions": 3.488, "waiting": 70.897}
    assert faithful.median().to_dict() == {"eruptions": 4.0, "waiting": 76.0}
    # Titterington, Smith & Makov 1985: 1096 days, three years
    assert datasets.load("death_notices")["days"].sum() == 1096
    # Gelman et al., BDA3, section 3.2: 66 measurements with mean 26.2, the lowest -44 and -2
    newcomb = datasets.load("newcomb")["speed"]
    assert (len(newcomb), round(newcomb.mean(), 1), newcomb.nsmallest(2).tolist()) == (66, 26.2, [-44, -2])
    # Murray 1977: each coordinate is missing four times, and the observed part is symmetric
    murray = datasets.load("murray")
    assert murray.isna().sum().tolist() == [4, 4]
    assert murray.sum().tolist() == [0, 0]
    # Zucchini & MacDonald 2009, section 1.2: mean 19.36 and variance 51.57, far from a Poisson's
    quakes = datasets.load("quakes")
    assert (round(quakes["count"].mean(), 2), round(quakes["count"].var(), 2)) == (19.36, 51.57)
    assert quakes["year"].tolist() == list(range(1900, 2007))
    # Stata's manual, mswitch: 226 quarters, 1954q3 to 2010q4; 222 of them with inflation, 1955q3 on
    funds = datasets.load("fedfunds")
    assert funds[["year", "quarter"]].iloc[[0, -1]].to_numpy().tolist() == [[1954, 3], [2010, 4]]
    assert (np.diff(4 * funds["year"] + funds["quarter"]) == 1).all()
    assert funds.count().to_dict() == {"year": 226, "quarter": 226, "fedfunds": 226, "ogap": 226, "inflation": 222}
    # Fair 1978: 601 answers, 451 of them 0; R: table(Affairs$affairs) prints the others
    affairs = datasets.load("affairs")["affairs"].value_counts()
    assert affairs.to_dict() == {0: 451, 1: 34, 2: 17, 3: 19, 7: 42, 12: 38}
    # Tobin 1958: thirteen of twenty households bought nothing
    assert (datasets.load("tobin")["durable"] == 0).sum() == 13
    # Schmee & Hahn 1979: ten motorettes at each temperature; 0, 7, 5 and 5 of them failed
    motorette = datasets.load("motorette").groupby("temp")["status"]
    assert motorette.agg(["size", "sum"]).to_numpy().tolist() == [[10, 0], [10, 7], [10, 5], [10, 5]]
    # Macdonell 1902: 3000 men in classes of an inch, without gaps
    crimtab = datasets.load("crimtab")
    assert crimtab["count"].sum() == 3000
    np.testing.assert_allclose(crimtab["upper"] - crimtab["lower"], 2.54)
    np.testing.assert_allclose(crimtab["upper"].to_numpy()[:-1], crimtab["lower"].to_numpy()[1:])
    # Meeker & Escobar 1998: 432 wheels
    assert datasets.load("turbine")["inspected"].sum() == 432
    # R: summary(beaver1$temp), summary(beaver2$temp) print means 36.86 and 37.60, and sums of activ are 6 and 62
    beavers = datasets.load("beavers").groupby("beaver")
    assert beavers.size().to_dict() == {1: 114, 2: 100}
    assert beavers["temp"].mean().round(2).to_dict() == {1: 36.86, 2: 37.60}
    assert beavers["activ"].sum().to_dict() == {1: 6, 2: 62}


def test_each_load_is_a_fresh_copy():
    first = datasets.load("five_point")
    first.loc[0, "x"] = 99.0
    assert datasets.load("five_point")["x"].tolist() == [1.0, 1.5, 4.0, 4.5, 5.0]


def test_available_lists_all():
    table = datasets.available()
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["name", "rows", "columns", "source", "description"]
    assert table["name"].tolist() == list(SOURCES)
    row = table.set_index("name").loc["faithful"]
    assert (row["rows"], row["columns"]) == (272, "eruptions, waiting")


def test_unknown_name_gets_close_matches():
    with pytest.raises(ValueError, match=r"name='faithfull' .* did you mean 'faithful'\?"):
        datasets.load("faithfull")
    with pytest.raises(ValueError, match="did you mean 'faithful'"):
        datasets.load("Faithful")


def test_unknown_name_gets_the_list():
    with pytest.raises(ValueError, match=r"there are faithful, five_point, .* tiny_hmm"):
        datasets.load("zzz")
