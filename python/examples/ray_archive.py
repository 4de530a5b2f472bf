"""An archive on Ray: `ray_archive.py MANIFEST OUTPUT [--address ADDRESS]`.

MANIFEST is a folder of recordings, or a CSV or Parquet file with the columns
`recording` and perhaps `id` and `reference`. What OUTPUT has already is left out, so
that the same command goes on after whatever stopped it. On one machine it runs as it
stands; on a cluster every node must see the recordings and OUTPUT, as paths or as
URLs that fsspec knows.
"""

import argparse
import collections
import os
import sys

import pyarrow
import ray

from ectopy import archive


class Worker:
    """Holds the model; a batch of manifest rows to one of summary rows."""

    def __init__(self, options):
        self.options = options

    def __call__(self, batch):
        rows = [archive.work(row, **self.options) for row in batch.to_pylist()]
        return pyarrow.Table.from_pylist(rows, archive.schema())


def analyse(rows, options, arguments):
    """Maps the rows over actors; how many of each status came out."""
    ray.init(address=arguments.address, num_cpus=None if arguments.address else arguments.workers)
    context = ray.data.DataContext.get_current()
    # Actors that die are replaced and their batches done again, as Ray Data does by
    # itself. `work` counts the attempts, so that it ends. What else fails (a node
    # without the package) may lose ten batches, and is told below.
    context.max_errored_blocks = 10
    columns = {name: pyarrow.array([row[name] for row in rows], pyarrow.string()) for name in archive.MANIFEST}
    table = pyarrow.table(columns)
    # A block for each task: cutting them anew would want a core that the workers have.
    blocks = [table.slice(at, arguments.batch) for at in range(0, len(rows), arguments.batch)]
    data = ray.data.from_arrow(blocks).map_batches(
        Worker,
        fn_constructor_args=[options],
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=arguments.workers),
        num_cpus=1,
    )
    counts = collections.Counter()
    # Rows are in OUTPUT as they are made; here they are only counted.
    for batch in data.iter_batches(batch_format="pyarrow", batch_size=None):
        counts.update(batch["status"].to_pylist())
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest")
    parser.add_argument("output")
    parser.add_argument("--address", help="of a cluster, such as auto [default: this machine]")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=8, help="recordings of a task [default: 8]")
    parser.add_argument("--lead")
    parser.add_argument("--model")
    arguments = parser.parse_args()
    options = {"output": arguments.output, "lead": arguments.lead, "model": arguments.model}
    rows = archive.unfinished(archive.manifest(arguments.manifest), **options)
    counts = analyse(rows, options, arguments) if rows else collections.Counter()
    total = archive.gather(arguments.output)
    lost = len(rows) - counts.total()
    print(f"{counts['done']} analysed, {counts['error']} failed, {lost} lost; {total} rows in {arguments.output}/summary.parquet")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
