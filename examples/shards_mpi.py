"""The sum of `examples.shards` on the ranks of MPI: `mpiexec -n 2 python -m examples.shards_mpi`; needs mpi4py."""

from mpi4py import MPI

from examples.shards import SHARDS, fit, on_shard, over_ranks, read_shard, report


def main() -> None:
    ranks = MPI.COMM_WORLD
    mine = [read_shard(i) for i in range(ranks.rank, SHARDS, ranks.size)]
    found = fit(over_ranks(on_shard, mine, ranks))
    if ranks.rank == 0:
        report(f"MPI, {ranks.size} ranks", found)


if __name__ == "__main__":
    main()
