"""The kernels on disk: what is damaged, foreign or cannot be written does no harm; several processes write at once."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import jit
from jit.kernels import disk
from jit.kernels.disk import LIMIT, VARIABLE, Store, folder

ROOT = Path(__file__).parents[1]
CONTENT = bytes(range(256))
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
NOT_ROOT = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="modes do not bind the superuser, nor Windows"
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "kernels")


def file_of(store, name="k"):
    """The file of a kernel."""
    (found,) = [path for path, _ in store.files() if path.stem == name]
    return found


def aged(store, *names):
    """Gives the files times of use in this order, from long ago on."""
    for i, name in enumerate(names):
        os.utime(file_of(store, name), (1000 + i, 1000 + i))


def names(store):
    return [path.stem for path, _ in store.files()]


# ---- reading and writing ----


def test_what_is_written_is_read(store):
    assert store.read("k") is None
    store.write("k", CONTENT)
    store.write("empty", b"")
    assert store.read("k") == CONTENT
    assert store.read("empty") == b""
    assert store.read("other") is None
    assert Store(store.folder).read("k") == CONTENT
    store.write("k", b"new")
    assert store.read("k") == b"new"
    assert sorted(names(store)) == ["empty", "k"]


@POSIX
def test_the_folder_and_its_files_are_private(store):
    before = os.umask(0)
    try:
        store.write("k", CONTENT)
    finally:
        os.umask(before)
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert file_of(store).stat().st_mode & 0o777 == 0o600


def test_clearing_removes_kernels_and_what_killed_writers_have_left(store):
    store.write("k", CONTENT)
    (store.folder / "tmp123.tapejit-unfinished").write_bytes(b"half")
    (store.folder / "letter.txt").write_text("of someone else")
    store.clear()
    assert [path.name for path in store.folder.iterdir()] == ["letter.txt"]
    assert store.read("k") is None
    Store(store.folder / "nowhere").clear()


# ---- what cannot be trusted ----


def ignored(store, name="k", words="damaged"):
    """Whether a kernel is ignored, with one warning."""
    fresh = Store(store.folder)
    with pytest.warns(RuntimeWarning, match=words) as caught:
        first = fresh.read(name)
    assert len(caught) == 1
    assert VARIABLE in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return first is None and fresh.read(name) is None


def test_each_flipped_bit_is_noticed(store):
    store.write("k", CONTENT)
    path = file_of(store)
    whole = path.read_bytes()
    store._warned = True
    for i in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :])
            assert store.read("k") is None, (i, bit)
    path.write_bytes(whole)
    assert store.read("k") == CONTENT


def test_each_other_length_is_noticed(store):
    store.write("k", CONTENT)
    path = file_of(store)
    whole = path.read_bytes()
    store._warned = True
    for i in range(len(whole)):
        path.write_bytes(whole[:i])
        assert store.read("k") is None, i
    for more in (b"\0", whole):
        path.write_bytes(whole + more)
        assert store.read("k") is None


def test_damage_is_told_once_and_mended_by_writing(store):
    store.write("k", CONTENT)
    file_of(store).write_bytes(b"rubbish")
    assert ignored(store)
    store.write("k", CONTENT)
    assert store.read("k") == CONTENT


def test_a_file_under_another_name_is_none(store):
    store.write("k", CONTENT)
    file_of(store).rename(store.folder / "other.tapejit")
    assert ignored(store, "other")


@POSIX
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_ignored(store, mode):
    store.write("k", CONTENT)
    file_of(store).chmod(mode)
    assert ignored(store, words="others may write it")


@POSIX
def test_a_folder_that_others_may_write_is_neither_read_nor_written(store):
    store.write("k", CONTENT)
    store.folder.chmod(0o777)
    assert ignored(store, words="others may write it")
    with pytest.warns(RuntimeWarning, match="others may write it"):
        store.write("new", CONTENT)
    assert names(store) == ["k"]


@POSIX
def test_what_another_user_owns_is_ignored(store, monkeypatch):
    store.write("k", CONTENT)
    user = os.geteuid()
    monkeypatch.setattr(disk.os, "geteuid", lambda: user + 1)
    assert ignored(store, words="belongs to another user")
    other = Store(store.folder)
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        other.write("new", CONTENT)
    assert names(store) == ["k"]


@POSIX
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only the superuser gives files away")
def test_a_file_of_another_user_is_ignored(store):
    store.write("k", CONTENT)
    os.chown(file_of(store), 1, 1)
    assert ignored(store, words="belongs to another user")


@POSIX
def test_links_pipes_and_folders_are_no_kernels(store, tmp_path):
    store.write("k", CONTENT)
    elsewhere = tmp_path / "elsewhere"
    file_of(store).rename(elsewhere)
    path = store.folder / "k.tapejit"
    path.symlink_to(elsewhere)
    assert ignored(store, words=r"k\.tapejit")
    path.unlink()
    os.mkfifo(path, 0o600)
    assert ignored(store, words="is no file")
    path.unlink()
    path.mkdir(0o700)
    assert ignored(store, words=r"k\.tapejit")


# ---- what cannot be written ----


def unwritten(store, words):
    """Whether nothing is written, with one warning."""
    with pytest.warns(RuntimeWarning, match=words) as caught:
        store.write("k", CONTENT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.write("k", CONTENT)
        return len(caught) == 1 and store.read("k") is None


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="file"):
        assert Store(tmp_path / "file").read("k") is None
    assert Store(tmp_path / "file").files() == []
    with pytest.warns(RuntimeWarning, match="file"):
        Store(tmp_path / "file").write("k", CONTENT)
    with pytest.warns(RuntimeWarning, match="file"):
        Store(tmp_path / "file" / "kernels").write("k", CONTENT)
    assert (tmp_path / "file").read_text() == "in the way"


@NOT_ROOT
def test_a_folder_that_may_only_be_read(store):
    store.write("old", CONTENT)
    store.folder.chmod(0o500)
    try:
        assert unwritten(Store(store.folder), "Permission denied")
        assert store.read("old") == CONTENT
    finally:
        store.folder.chmod(0o700)


@pytest.mark.parametrize("step", ["mkstemp", "replace"])
def test_a_disk_that_takes_no_more(store, monkeypatch, step):
    store.write("old", CONTENT)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk.tempfile if step == "mkstemp" else disk.os, step, fail)
    assert unwritten(store, "No space left on device")
    assert store.read("old") == CONTENT
    assert names(store) == ["old"]


# ---- the size ----


def test_those_used_longest_ago_go_first(tmp_path):
    size = len(CONTENT) + 48
    store = Store(tmp_path, limit=4 * size)
    for name in "abcd":
        store.write(name, CONTENT)
    aged(store, *"badc")
    assert store.read("b") == CONTENT
    store.write("e", CONTENT)
    assert sorted(names(store)) == ["b", "c", "d", "e"]
    store.write("f", CONTENT)
    assert sorted(names(store)) == ["b", "c", "e", "f"]
    assert sum(size for _, size in store.files()) <= store.limit


def test_the_size_is_bounded_over_many_writes(tmp_path):
    limit = 20_000
    for i in range(300):
        # A new process each time.
        Store(tmp_path, limit).write(f"k{i}", bytes(i))
        assert sum(size for _, size in Store(tmp_path).files()) <= limit
    store = Store(tmp_path, limit)
    for i in range(300, 600):
        store.write(f"k{i}", bytes(i))
        assert sum(size for _, size in store.files()) <= limit * 17 / 16
    assert "k599" in names(store)
    assert "k0" not in names(store)


def test_what_killed_writers_have_left_is_removed_in_time(tmp_path):
    store = Store(tmp_path, limit=1000)
    left = tmp_path / "tmp0.tapejit-unfinished"
    left.write_bytes(bytes(900))
    os.utime(left, (1000, 1000))
    store.write("k", CONTENT)
    assert names(store) == ["k"]


def test_kernels_of_the_usual_size_fit():
    assert LIMIT > 1000 * 50_000


# ---- the place ----


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert folder() == tmp_path
    monkeypatch.setenv(VARIABLE, "here")
    monkeypatch.chdir(tmp_path)
    assert folder() == tmp_path / "here"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "~/kernels")
    assert folder() == tmp_path / "kernels"


@pytest.mark.parametrize("empty", ["", " "])
def test_empty_it_switches_the_cache_off(monkeypatch, empty):
    monkeypatch.setenv(VARIABLE, empty)
    assert folder() is None


PLACES = [
    ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/tapejit"),
    ("linux", {"HOME": "/of/me"}, "/of/me/.cache/tapejit"),
    ("linux", {"HOME": "/of/me", "XDG_CACHE_HOME": ""}, "/of/me/.cache/tapejit"),
    ("linux", {"HOME": "/of/me", "XDG_CACHE_HOME": "relative"}, None),
    ("darwin", {"HOME": "/of/me"}, "/of/me/Library/Caches/tapejit"),
    ("win32", {"LOCALAPPDATA": "/of/me/local"}, "/of/me/local/tapejit"),
    ("win32", {}, None),
]


@POSIX
@pytest.mark.parametrize(("system", "variables", "expected"), PLACES)
def test_without_it_the_user_s_folder_for_caches_is_taken(monkeypatch, system, variables, expected):
    for name in (VARIABLE, "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(disk.sys, "platform", system)
    assert folder() == (None if expected is None else Path(expected))


def test_tests_leave_the_user_s_folder_alone():
    assert folder() is None


# ---- several processes ----

# Each writes, reads and drops the same few names all the time, in a folder that is too small for them. The module is
# loaded alone, since the package takes long to import.
STORM = """
import importlib.util, json, multiprocessing, random, sys, warnings
from pathlib import Path

spec = importlib.util.spec_from_file_location("disk", DISK)
disk = importlib.util.module_from_spec(spec)
spec.loader.exec_module(disk)
NAMES = [f"k{i}" for i in range(8)]

def content(name, version):
    return f"{name} {version} ".encode() * 200

def work(folder, seed, barrier, results):
    warnings.simplefilter("error")
    store, chance, read = disk.Store(Path(folder), 9_000), random.Random(seed), 0
    barrier.wait()
    for _ in range(300):
        name = chance.choice(NAMES)
        store.write(name, content(name, chance.randrange(3)))
        name = chance.choice(NAMES)
        found = store.read(name)
        assert found is None or found in [content(name, i) for i in range(3)], found
        read += found is not None
    results.put(read)

if __name__ == "__main__":
    folder, method = sys.argv[1:]
    context = multiprocessing.get_context(method)
    barrier, results = context.Barrier(4), context.Queue()
    workers = [context.Process(target=work, args=(folder, i, barrier, results)) for i in range(4)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    print(json.dumps([results.get() for _ in workers]))
"""

# Each compiles a kernel that all need and one of its own, or reads what another has just written.
COMPILERS = """
import json, multiprocessing, sys, warnings
import numpy as np
import jit

X = np.linspace(0.5, 2.0, 100)

def shared(x):
    return np.sum(np.tanh(x) ** 2)

def results_of(i):
    own = jit.value_and_grad(lambda x: np.sum(np.exp(x) * (i + 2.0)))
    found = [jit.value_and_grad(shared)(X), own(X)]
    return [[float(value), gradient.tolist()] for value, gradient in found]

def work(i, barrier, results):
    warnings.simplefilter("error")
    barrier.wait()
    results.put((i, results_of(i)))

if __name__ == "__main__":
    # What the parent has compiled or loaded is still there in a forked child.
    jit.compile(lambda x: x * 2)(X)
    context = multiprocessing.get_context(sys.argv[1])
    barrier, results = context.Barrier(3), context.Queue()
    workers = [context.Process(target=work, args=(i, barrier, results)) for i in range(3)]
    for worker in workers: worker.start()
    found = dict(results.get(timeout=120) for _ in workers)
    for worker in workers: worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 3
    print(json.dumps([found[i] for i in range(3)]))
"""


def run(tmp_path, script, *arguments, kernels=""):
    """What a script prints that runs in a process of its own."""
    path = tmp_path / "script.py"
    path.write_text(script)
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {VARIABLE: str(kernels), "PYTHONPATH": paths}
    # Python says of any fork beside threads that it may lock up; those of BLAS do not matter here.
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", str(path), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


METHODS = ["spawn", pytest.param("fork", marks=POSIX)]


@pytest.mark.parametrize("method", METHODS)
def test_processes_that_write_the_same_files_at_once(tmp_path, method):
    reads = run(tmp_path, STORM.replace("DISK", repr(disk.__file__)), tmp_path / "kernels", method)
    assert len(reads) == 4
    assert all(reads), "this must test reading too"
    left = Store(tmp_path / "kernels").files()
    assert not [path for path, _ in left if path.suffix != ".tapejit"]
    assert sum(size for _, size in left) <= 9_000 + 4 * 9_000


@pytest.mark.parametrize("method", METHODS)
def test_processes_that_compile_at_once(tmp_path, monkeypatch, method):
    found = run(tmp_path, COMPILERS, method, kernels=tmp_path / "kernels")
    script: dict = {"__name__": "script"}
    exec(COMPILERS, script)
    jit.clear_cache()
    assert [script["results_of"](i) for i in range(3)] == found
    # All that the processes have left can be used.
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kernels"))
    jit.clear_cache()
    assert [script["results_of"](i) for i in range(3)] == found
    info = jit.cache_info()
    assert (info.misses, info.loaded, info.files) == (0, 4, 5)
