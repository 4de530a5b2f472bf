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
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from ectopy import archive

TYPES = {str: StringType(), int: LongType(), float: DoubleType()}
SCHEMA = StructType([StructField(name, TYPES[kind]) for name, kind in archive.COLUMNS.items()])
TODO = StructType([StructField(name, StringType()) for name in (*archive.MANIFEST, "fingerprint")])


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
        # `work` gives a recording up after five attempts; so must no task before.
        builder = builder.master(f"local[{arguments.workers},8]")
    return builder.config("spark.task.maxFailures", 8).getOrCreate(), None


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
    fixed = {"lead": arguments.lead, "model": arguments.model}
    options = {"output": arguments.output, **fixed}

    def analyse(batches):
        for batch in batches:
            for row in batch.to_pylist():
                yield pyarrow.RecordBatch.from_pylist([archive.work(row, **options)], archive.schema())

    rows = archive.manifest(arguments.manifest)
    rows = [[*(row[name] for name in archive.MANIFEST), archive.fingerprint(row, **fixed)] for row in rows]
    everything = spark.createDataFrame(rows, TODO)
    done = [[row["fingerprint"]] for row in archive.rows(arguments.output) if row["status"] == "done"]
    done = spark.createDataFrame(done, StructType([StructField("fingerprint", StringType())]))
    todo = everything.join(done, "fingerprint", "left_anti").select(*archive.MANIFEST)
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
