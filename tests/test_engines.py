"""A sum over shards and its gradient on processes of other packages: the same to the bit on each of them."""

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import autograd as ag
import jit
from examples.shards import SHARDS, fit, gradient, in_pairs, loss, on_shard, over_ranks, over_shards, read_shard

ROOT = Path(__file__).parents[1]
READ = [read_shard(i) for i in range(SHARDS)]
WEIGHTS = np.random.default_rng(0).normal(size=31)


def same(got, expected):
    assert got[0] == expected[0]
    np.testing.assert_array_equal(got[1], expected[1])


def joined():
    """All rows in the order of the shards."""
    return [np.concatenate(parts) for parts in zip(*READ, strict=True)]


def test_the_sum_is_that_over_all_rows():
    value, g = over_shards(on_shard, READ)(WEIGHTS)
    expected, expected_g = ag.value_and_grad(loss)(WEIGHTS, *joined())
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    np.testing.assert_allclose(g, expected_g, rtol=1e-11, atol=1e-11)
    assert len({len(sign) for _, sign in READ}) == 2


@pytest.mark.parametrize("count", range(1, 10))
def test_parts_are_added_in_pairs_by_their_positions(count):
    def bracket(x, y):
        return f"({x}{y})"

    text = in_pairs(bracket, "abcdefghi"[:count])
    assert re.sub(r"\W", "", text) == "abcdefghi"[:count]
    assert text.count("(") == count - 1
    half = 1 << (count - 1).bit_length() >> 1
    if count > 1:
        assert text == f"({in_pairs(bracket, 'abcdefghi'[:half])}{in_pairs(bracket, 'abcdefghi'[half:count])})"


def test_the_bits_do_not_depend_on_which_shard_came_first():
    last_first = jit.value_and_grad(loss, dynamic={"X": 0, "sign": 0}, threads=1)
    for shard in reversed(READ):
        same(last_first(WEIGHTS, *shard), gradient(WEIGHTS, *shard))


def test_processes_that_build_the_kernel():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        same(over_shards(on_shard, READ, pool.map)(WEIGHTS), over_shards(on_shard, READ)(WEIGHTS))


def test_processes_that_load_the_kernel(tmp_path, monkeypatch):
    monkeypatch.setenv("JIT_CACHE_DIR", str(tmp_path))
    jit.clear_cache()
    expected = over_shards(on_shard, READ)(WEIGHTS)
    # What this process has recorded goes along, as it does with any function that is not found by its name.
    shipped = partial(shard_of, jit.value_and_grad(loss, dynamic={"X": 0, "sign": 0}, threads=1))
    same(over_shards(shipped, READ)(WEIGHTS), expected)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        same(over_shards(shipped, READ, pool.map)(WEIGHTS), expected)
        info = pool.submit(jit.cache_info).result()
    assert (info.misses, info.loaded) == (0, 1)


def shard_of(f, w, shard):
    return f(w, *shard)


def test_joblib():
    joblib = pytest.importorskip("joblib")
    with joblib.Parallel(2) as parallel:
        by_joblib = over_shards(on_shard, READ, lambda f, xs: parallel(map(joblib.delayed(f), xs)))
        same(by_joblib(WEIGHTS), over_shards(on_shard, READ)(WEIGHTS))


def dying(marker, w, shard):
    """`on_shard`, but the first process that comes here is killed."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return on_shard(w, shard)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_of_dask_is_lost_and_started_again(tmp_path, monkeypatch, capsys):
    distributed = pytest.importorskip("distributed")
    shards_dask = pytest.importorskip("examples.shards_dask")
    monkeypatch.setenv("JIT_CACHE_DIR", str(tmp_path / "kernels"))
    expected = over_shards(on_shard, READ)(WEIGHTS)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        before = set(client.run(os.getpid).values())
        shards = client.map(read_shard, range(SHARDS))
        total = shards_dask.over_cluster(partial(dying, tmp_path / "died"), shards, client, bar=True)
        same(total(WEIGHTS), expected)
        assert "100% Completed" in capsys.readouterr().out
        client.wait_for_workers(2, timeout=60)
        after = set(client.run(os.getpid).values())
        assert len(before & after) == 1
        assert len(after) == 2
        same(shards_dask.over_cluster(on_shard, shards, client)(WEIGHTS), expected)


@pytest.mark.parametrize("size", [1, 2, 3, SHARDS, SHARDS + 1])
def test_ranks_put_the_parts_in_the_order_of_the_shards(size):
    dealt = [[on_shard(WEIGHTS, shard) for shard in READ[rank::size]] for rank in range(size)]
    expected = over_shards(on_shard, READ)(WEIGHTS)
    for rank in range(size):
        ranks = SimpleNamespace(size=size, rank=rank, allgather=lambda mine: dealt)
        same(over_ranks(on_shard, READ[rank::size], ranks)(WEIGHTS), expected)


def test_mpi():
    pytest.importorskip("mpi4py")
    run = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if run is None:
        pytest.skip("mpi4py is there, but no `mpiexec`")
    command = [run, "-n", "2", sys.executable, "-m", "examples.shards_mpi"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = fit(over_shards(on_shard, READ))
    assert f"MPI, 2 ranks         loss {found.fun:.12f} after {found.nfev} gradients" in done.stdout
