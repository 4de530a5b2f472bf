"""An archive on Apache Spark: `spark_archive.py MANIFEST OUTPUT [--remote URL]`.

MANIFEST is a folder of recordings, or a CSV or Parquet file with the columns
`recording` and perhaps `id` and `reference`. What OUTPUT has already is left out by an
anti-join, so that the same command goes on after whatever stopped it. `spark-submit`
runs it on a cluster, of which every node must see the recordings and OUTPUT, and has
the package. `--remote sc://HOST` talks to a Spark Connect server; `--sail` starts that
of pysail here, which needs no Java.
"""

import argparse
import os
import sys

import pyarrow
import pyarrow.csv
import pyarrow.parquet
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from ectopy import archive

TYPES = {str: StringType(), int: LongType(), float: DoubleType()}
ARROW = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
SCHEMA = StructType([StructField(name, TYPES[kind]) for name, kind in archive.COLUMNS.items()])
MANIFEST = StructType([StructField(name, StringType()) for name in archive.MANIFEST])


def session(arguments):
    builder = SparkSession.builder.appName("ectopy archive")
    if arguments.sail:
        from pysail.spark import SparkConnectServer

        server = SparkConnectServer(port=0)
        server.start()
        return builder.remote(f"sc://localhost:{server.listening_address[1]}").getOrCreate(), server
    if arguments.remote:
        return builder.remote(arguments.remote).getOrCreate(), None
    if "SPARK_ENV_LOADED" not in os.environ:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = builder.master(f"local[{arguments.workers},4]")
    return builder.config("spark.task.maxFailures", 8).getOrCreate(), None


def manifest(path):
    if os.path.isdir(path):
        return archive.manifest(path)
    read = pyarrow.parquet.read_table if path.endswith(".parquet") else pyarrow.csv.read_csv
    return read(path).to_pylist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest")
    parser.add_argument("output")
    parser.add_argument("--remote", help="a Spark Connect server")
    parser.add_argument("--sail", action="store_true", help="start pysail's Spark Connect server here")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=8, help="recordings of a task [default: 8]")
    parser.add_argument("--lead")
    parser.add_argument("--model")
    arguments = parser.parse_args()
    spark, server = session(arguments)
    options = {"output": arguments.output, "lead": arguments.lead, "model": arguments.model}

    def analyse(batches):
        schema = pyarrow.schema([(name, ARROW[kind]) for name, kind in archive.COLUMNS.items()])
        for batch in batches:
            for row in batch.to_pylist():
                yield pyarrow.RecordBatch.from_pylist([archive.work(row, **options)], schema)

    rows = [[row.get(name) or None for name in archive.MANIFEST] for row in manifest(arguments.manifest)]
    rows = [[row[0] or archive.identifier(row[1]), *row[1:]] for row in rows]
    everything = spark.createDataFrame(rows, MANIFEST)
    done = [[row["id"]] for row in archive.rows(arguments.output) if row["status"] == "done"]
    done = spark.createDataFrame(done, StructType([StructField("id", StringType())]))
    todo = everything.join(done, "id", "left_anti").select(*archive.MANIFEST)
    tasks = max(1, len(rows) // arguments.batch)
    counted = todo.repartition(tasks).mapInArrow(analyse, SCHEMA).groupBy("status").agg(F.count("*").alias("n"))
    # Rows are in OUTPUT as they are made; here they are only counted.
    counts = {row["status"]: row["n"] for row in counted.collect()}
    total = archive.gather(arguments.output)
    print(f"{counts.get('done', 0)} analysed, {counts.get('error', 0)} failed; {total} rows in {arguments.output}/summary.parquet")
    spark.stop()
    if server is not None:
        server.stop()


if __name__ == "__main__":
    main()
