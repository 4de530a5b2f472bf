"""Beats as a table, for every library that knows Arrow."""

import numpy
import pytest

import ectopy


def same(columns, beats):
    """Fails unless columns by name hold what the beats hold."""
    ours = beats.to_dict()
    assert list(columns) == list(ours)
    for name, values in columns.items():
        mine = [None if value is None or value != value else value for value in ours[name]]
        its = [None if value is None or value != value else value for value in values]
        assert mine == its, name


def test_columns_have_a_row_for_each_beat(beats):
    columns = beats.to_dict()
    assert list(columns) == ["record", "row", "sample", "class", *beats.classes, "rejected", "reject", "time", "rr", "quality"]
    assert {len(values) for values in columns.values()} == {len(beats)}
    probabilities = numpy.stack([columns[name] for name in beats.classes], axis=1)
    assert numpy.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert numpy.array_equal(columns["time"], columns["sample"] / beats.fs)
    assert numpy.isnan(columns["rr"][0]) and set(columns["class"]) <= set(beats.classes)
    assert [why is not None for why in columns["reject"]] == columns["rejected"].tolist()


def test_a_column_is_had_by_its_name(beats):
    assert beats.to_numpy("sample").dtype == numpy.int64
    for wrong in ["nothing", 5, None, ["sample"]]:
        with pytest.raises(ectopy.UsageError, match="column"):
            beats.to_numpy(wrong)


def test_pandas_takes_them(beats):
    pytest.importorskip("pandas")
    frame = beats.to_pandas()
    same({name: frame[name].tolist() for name in frame.columns}, beats)


def test_polars_takes_them(beats):
    polars = pytest.importorskip("polars")
    for frame in [beats.to_polars(), polars.DataFrame(beats)]:
        same(frame.to_dict(as_series=False), beats)


def test_pyarrow_takes_them(beats):
    pyarrow = pytest.importorskip("pyarrow")
    assert beats.to_arrow().equals(pyarrow.table(beats))
    same(pyarrow.table(beats).to_pydict(), beats)
    schema = pyarrow.schema(beats)
    assert schema.equals(pyarrow.table(beats).schema)
    assert not schema.field("sample").nullable and schema.field("rr").nullable


def test_pandas_takes_them_through_arrow(beats):
    pandas = pytest.importorskip("pandas", minversion="3.0")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame.from_arrow(beats)
    same({name: frame[name].tolist() for name in frame.columns}, beats)


def test_duckdb_takes_them(beats):
    duckdb = pytest.importorskip("duckdb")
    found = beats.to_arrow()
    counted = dict(duckdb.sql('select "class", count(*) from found group by all').fetchall())
    assert sum(counted.values()) == len(beats) and found.num_rows == len(beats)
    directly = duckdb.sql("select count(*), max(sample) from beats").fetchall()[0]
    assert directly == (len(beats), beats.to_numpy("sample").max())
    assert counted == {name: beats.to_dict()["class"].count(name) for name in counted}


def test_a_table_outlives_its_beats(synthetic):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(ectopy.analyse(synthetic / "s001"))
    assert table["record"].to_pylist() == ["s001"] * table.num_rows
    capsule = ectopy.analyse(synthetic / "s001").__arrow_c_stream__()
    del capsule


def test_no_beat_is_a_table_without_rows():
    pyarrow = pytest.importorskip("pyarrow")
    none = ectopy.analyse(numpy.zeros(5000), fs=250)
    assert pyarrow.table(none).num_rows == 0 and len(none) == 0
    assert pyarrow.table(none).schema.equals(pyarrow.schema(none))
    assert {len(values) for values in none.to_dict().values()} == {0}


def test_a_schema_that_does_not_fit_is_refused(beats):
    pyarrow = pytest.importorskip("pyarrow")
    with pytest.raises(Exception):  # Which kind, pyarrow and the bridge decide.
        pyarrow.table(beats, schema=pyarrow.schema([("sample", pyarrow.date32())]))


def test_what_is_read_from_parquet_is_what_the_beats_hold(beats, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    beats.write(tmp_path / "x.parquet")
    read = parquet.read_table(tmp_path / "x.parquet").to_pydict()
    ours = beats.to_dict()
    for name in ["row", "sample", "class", "record"]:
        assert read[name] == list(ours[name]), name
