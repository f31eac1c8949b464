"""The pool of threads: every task once, on several threads, from several callers, after a fork, and at the exit."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from numba import cfunc, njit, types

from jit.runtime import pool
from jit.runtime.workers import serial, source

if sys.platform == "win32":
    pytest.skip("without threads of POSIX the caller runs all tasks", allow_module_level=True)

ROOT = Path(__file__).parents[1]
COUNTS = [0, 1, 2, 3, 1000]

usleep = types.ExternalFunction("usleep", types.int32(types.uint32))
pthread_self = types.ExternalFunction("pthread_self", types.uintp())
native = types.ExternalFunction(pool.SYMBOL, types.void(types.uintp, types.uintp, types.int64, types.int64))


@pytest.fixture(scope="module", autouse=True)
def _linked():
    pool.link()


@pytest.fixture(autouse=True)
def _the_number_as_before():
    before = pool.get_num_threads()
    yield
    pool.set_num_threads(before)


@njit(nogil=True)
def parallel_for(task, context, count, threads, times=1):
    for _ in range(times):
        native(task, context.ctypes.data, count, threads)


@cfunc("void(CPointer(int64), int64)")
def visit(seen, i):
    seen[i] += 1


@cfunc("void(CPointer(int64), int64)")
def note_thread(seen, i):
    """Notes the thread, after long enough for others to come."""
    usleep(2000)
    seen[i] = pthread_self()


@cfunc("void(CPointer(int64), int64)")
def meet(context, i):
    """One of two tasks that wait for each other: `context` is what arrived (2), whether both met, the threads (2)."""
    context[i] = 1
    context[3 + i] = pthread_self()
    for _ in range(50_000):
        if context[1 - i]:
            context[2] = 1
            return
        usleep(100)


@cfunc("void(CPointer(int64), int64)")
def meet_halves(seen, i):
    """One of eight tasks, which notes its thread and waits until one of the other four has begun."""
    seen[i] = pthread_self()
    other = 4 - i // 4 * 4
    for _ in range(50_000):
        if seen[other] or seen[other + 1] or seen[other + 2] or seen[other + 3]:
            return
        usleep(100)


@cfunc("void(CPointer(int64), int64)")
def hold(context, i):
    """Says that it is there, and waits until it is let go: `context` is go, there."""
    context[1] = 1
    while context[0] == 0:
        usleep(100)


def check_visits(count=1000, threads=0, times=1):
    seen = np.zeros(count + 1, np.int64)
    parallel_for(visit.address, seen, count, threads, times)
    np.testing.assert_array_equal(seen, [times] * count + [0])


def check_meeting():
    context = np.zeros(5, np.int64)
    parallel_for(meet.address, context, 2, 2)
    assert context[2] == 1
    assert context[3] != context[4]
    assert threading.get_ident() in context[3:]


def threads_met(threads):
    seen = np.zeros(40, np.int64)
    parallel_for(note_thread.address, seen, len(seen), threads)
    assert threading.get_ident() in seen
    return len(set(seen.tolist()))


@pytest.mark.parametrize("threads", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("count", COUNTS)
def test_every_task_runs_once(count, threads):
    check_visits(count, threads, times=20)


@pytest.mark.parametrize("count", COUNTS)
def test_without_threads_every_task_runs_once(count):
    engine = pool._compiled(serial())
    seen = np.zeros(count + 1, np.int64)
    alone = pool.FUNCTION(engine.get_function_address("parallel_for"))
    alone(visit.address, seen.ctypes.data, count, 2)
    np.testing.assert_array_equal(seen, [1] * count + [0])


def test_the_pool_is_built_once_and_with_threads():
    assert pool.address() == pool.address()
    assert source() != serial()


def test_a_negative_count_is_none():
    seen = np.zeros(1, np.int64)
    parallel_for(visit.address, seen, -5, 2)
    assert seen[0] == 0


def test_two_tasks_run_at_the_same_time():
    check_meeting()


@pytest.mark.parametrize("n", [1, 2, 4, 3])
def test_the_number_of_threads_holds_from_the_next_call_on(n):
    pool.set_num_threads(n)
    assert pool.get_num_threads() == n
    assert max(threads_met(0) for _ in range(3)) == n


def test_a_call_may_ask_for_another_number():
    pool.set_num_threads(4)
    assert threads_met(1) == 1
    pool.set_num_threads(1)
    assert 1 < threads_met(3) <= 3


def test_a_hundred_thousand_calls():
    for threads in (2, 3, 4, 2):
        check_visits(7, threads, times=25_000)


def test_ten_thousand_calls_of_threads_that_always_sleep(monkeypatch):
    monkeypatch.setattr("jit.runtime.workers._SPIN", -1)
    function, seen = fresh_pool(), np.zeros(7, np.int64)
    for call in range(10_000):
        function(visit.address, seen.ctypes.data, 7, 1 + call % 4)
    np.testing.assert_array_equal(seen, 10_000)


def fresh_pool():
    engine = pool._compiled(source())
    function = pool.FUNCTION(engine.get_function_address("parallel_for"))
    engine.detach()  # its workers never end
    return function


def test_each_thread_begins_with_tasks_of_its_own():
    function, seen = fresh_pool(), np.zeros(8, np.int64)
    for _ in range(20):
        seen[:] = 0
        function(meet_halves.address, seen.ctypes.data, 8, 2)
        assert seen[0] == threading.get_ident() != seen[4]


def test_more_threads_than_ranges_of_tasks(monkeypatch):
    monkeypatch.setattr("jit.runtime.workers._RANGES", 2)
    function, seen = fresh_pool(), np.zeros(13, np.int64)
    for _ in range(2000):
        function(visit.address, seen.ctypes.data, 13, 4)
    np.testing.assert_array_equal(seen, 2000)


NESTED = """
declare void @jit_parallel_for(ptr, ptr, i64, i64)

define void @outer(ptr %table, i64 %i) {
  %task = load ptr, ptr %table
  %place = getelementptr ptr, ptr %table, i64 1
  %seen = load ptr, ptr %place
  %first = mul i64 %i, 20
  %row = getelementptr i64, ptr %seen, i64 %first
  call void @jit_parallel_for(ptr %task, ptr %row, i64 20, i64 0)
  ret void
}
"""


def test_a_task_may_call_it_again():
    engine = pool._compiled(NESTED)
    seen = np.zeros((50, 20), np.int64)
    table = np.array([visit.address, seen.ctypes.data], np.uintp)
    parallel_for(engine.get_function_address("outer"), table, 50, 3, 50)
    np.testing.assert_array_equal(seen, 50)


def test_several_callers_at_once():
    passed = []

    def run(threads):
        for _ in range(50):
            check_visits(50, threads, times=50)
        passed.append(threads)

    callers = [threading.Thread(target=run, args=(n,)) for n in (1, 2, 3, 4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(passed) == [1, 2, 3, 4]


@pytest.fixture
def held():
    """The pool while another thread's job is in it, and that thread."""
    context = np.zeros(2, np.int64)
    caller = threading.Thread(target=parallel_for, args=(hold.address, context, 2, 2))
    caller.start()
    while not context[1]:
        time.sleep(0.001)
    yield caller
    context[0] = 1
    caller.join()


def test_a_caller_does_not_wait_for_the_job_of_another(held):
    check_visits(1000, 4)
    assert threads_met(4) == 1
    assert held.is_alive()


def forked(body):
    """Runs `body` in a forked child, and returns how that ended: 0 if all went well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what is tested
        child = os.fork()
    if child == 0:
        signal.alarm(60)
        status = 1
        try:
            body()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def test_a_forked_child_has_threads_of_its_own():
    def generations():
        check_meeting()
        check_visits(1000, 4, times=20)
        assert forked(check_meeting) == 0

    check_meeting()
    assert forked(generations) == 0
    check_meeting()


def test_a_child_forked_in_the_middle_of_a_job(held):
    assert forked(check_meeting) == 0
    assert held.is_alive()


def test_forks_beside_busy_threads():
    stop = threading.Event()

    def run():
        while not stop.is_set():
            check_visits(10, 2, times=20)
            time.sleep(0.0002)

    callers = [threading.Thread(target=run) for _ in range(2)]
    for caller in callers:
        caller.start()
    ended = [forked(lambda: check_visits(10, 2, times=20)) for _ in range(30)]
    stop.set()
    for caller in callers:
        caller.join()
    assert ended == [0] * 30


def test_processes_that_multiprocessing_forks():
    check_visits(1000, 2)
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        children = [context.Process(target=check_meeting) for _ in range(3)]
        for child in children:
            child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the masks of threads in /proc")
def test_workers_leave_signals_to_the_threads_of_the_program():
    threads_met(4)
    masks = []
    for status in Path("/proc/self/task").glob("*/status"):
        masks += [int(line.split()[1], 16) for line in status.read_text().splitlines() if line.startswith("SigBlk")]
    blocked = [signal.SIGINT, signal.SIGTERM, signal.SIGALRM]
    workers = [mask for mask in masks if all(mask >> (number - 1) & 1 for number in blocked)]
    assert len(workers) >= 3
    assert not any(mask >> (signal.SIGSEGV - 1) & 1 for mask in workers)


EXITS = {
    "idle": "check_visits(1000, 4)",
    "calling": """
threading.Thread(target=lambda: [check_visits(10, 2) for _ in iter(int, 1)], daemon=True).start()
time.sleep(0.2)
""",
    "in a task": """
context = np.zeros(2, np.int64)
threading.Thread(target=parallel_for, args=(hold.address, context, 4, 4), daemon=True).start()
while not context[1]: time.sleep(0.01)
""",
}


@pytest.mark.parametrize("program", EXITS.values(), ids=EXITS)
def test_the_interpreter_ends_while_threads_are(program):
    begin = "import threading, time\nimport numpy as np\nfrom tests.test_pool import *\npool.link()\n"
    command = [sys.executable, "-c", begin + program + "\nprint('last line')"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (0, "last line\n", "")


@pytest.mark.parametrize(("text", "number"), [("3", 3), (" 12 ", 12), ("1024", 1024)])
def test_the_environment_sets_the_number(monkeypatch, text, number):
    monkeypatch.setenv("JIT_NUM_THREADS", text)
    assert pool._Pool().number() == number


@pytest.mark.parametrize("text", ["0", "-1", "two", "2.5", "1025"])
def test_what_the_environment_may_not_say(monkeypatch, text):
    monkeypatch.setenv("JIT_NUM_THREADS", text)
    message = f"the environment variable `JIT_NUM_THREADS` needs a number of threads from 1 to 1024, got '{text}'"
    with pytest.raises(ValueError, match=message):
        pool._Pool().start()


@pytest.mark.parametrize("text", ["", None])
def test_without_it_the_number_is_that_of_the_cpus_allowed(monkeypatch, text):
    monkeypatch.delenv("JIT_NUM_THREADS", raising=False)
    if text is not None:
        monkeypatch.setenv("JIT_NUM_THREADS", text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert pool._Pool().number() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert pool._Pool().number() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert pool._Pool().number() == 1


@pytest.mark.parametrize("n", [0, -2, 1025])
def test_a_number_out_of_range(n):
    with pytest.raises(ValueError, match=f"`set_num_threads` needs a number of threads from 1 to 1024, got {n}"):
        pool.set_num_threads(n)


@pytest.mark.parametrize("n", [2.0, "2", None])
def test_what_is_no_number(n):
    with pytest.raises(TypeError, match="`set_num_threads` needs a whole number, got"):
        pool.set_num_threads(n)
    pool.set_num_threads(np.int64(2))
    assert pool.get_num_threads() == 2
