"""Compares a table of predictions in Parquet with the same in CSV.

    tables.py TABLE.parquet TABLE.csv

pandas, polars and DuckDB each read the Parquet file; every column must hold what the
CSV file says, to its last printed digit. Prints the number of rows and columns.
"""

import csv
import math
import sys

import duckdb
import pandas
import polars

with open(sys.argv[2], newline="") as file:
    rows = list(csv.DictReader(file))
names = list(rows[0])
tables = {
    "pandas": pandas.read_parquet(sys.argv[1]).to_dict("list"),
    "polars": polars.read_parquet(sys.argv[1]).to_dict(as_series=False),
    "duckdb": duckdb.sql(f"select * from '{sys.argv[1]}'").to_arrow_table().to_pydict(),
}


def absent(value):
    return value is None or isinstance(value, float) and math.isnan(value)


def same(value, text):
    if absent(value) or text == "":
        return absent(value) and text == ""
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, float):
        digits = len(text.partition(".")[2])
        return abs(value - float(text)) <= 0.5001 * 10**-digits + 1e-7 * abs(value)
    return str(value) == text


for package, table in tables.items():
    # Parquet tells the reason of a rejection, too.
    reasons = table.pop("reject")
    assert [not absent(r) for r in reasons] == table["rejected"], package
    assert list(table) == names, (package, list(table), names)
    for name in names:
        assert len(table[name]) == len(rows), (package, name)
        for number, row in enumerate(rows):
            value = table[name][number]
            assert same(value, row[name]), (package, name, number, value, row[name])
print(len(rows), len(names))
