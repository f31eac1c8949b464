"""The sum of `examples.shards` on a Dask cluster, with a progress bar; needs `pip install tapejit[dask]`."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from distributed import Client, Future, LocalCluster, progress

from examples.shards import SHARDS, OnShard, Part, Total, added, fit, in_pairs, on_shard, read_shard, report


def over_cluster(f: OnShard, shards: Sequence[Future], client: Client, bar: bool = False) -> Total:
    """The sum of `f(w, shard)` as a function of `w`; parts are added where they lie, and only the sum comes back.

    The shards are results of tasks, so those of a lost worker are read again by another one; what `client.scatter` has
    sent would be lost with it. `bar` shows how many are done.
    """

    def total(w: np.ndarray) -> Part:
        parts = client.map(partial(f, w), shards, pure=False)
        if bar:
            progress(parts, notebook=False)
        return in_pairs(partial(client.submit, added, pure=False), parts).result()

    return total


def main() -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        shards = client.map(read_shard, range(SHARDS))
        over_cluster(on_shard, shards, client, bar=True)(np.zeros(31))
        print()
        report("Dask", fit(over_cluster(on_shard, shards, client)))


if __name__ == "__main__":
    main()
