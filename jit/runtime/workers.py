"""The pool of threads as an LLVM module, which `pool.py` compiles: `parallel_for`, and the number `threads`."""

from __future__ import annotations

import ctypes
import re
import signal
import sys
import time
from string import Template

# How long a thread looks for work, or waits for the others, before it sleeps, and after how long it gives way
# meanwhile to what else may run on its CPU, which may be the very thread that it waits for; in nanoseconds.
_SPIN, _YIELD = 50_000, 1_000
# The tasks are in as many ranges as there are threads, and at most so many.
_RANGES = 64

_SERIAL = """
@threads = global i64 1

define void @parallel_for(ptr %task, ptr %context, i64 %count, i64 %threads) {
  call void @serial_for(ptr %task, ptr %context, i64 %count)
  ret void
}
"""

_LOOP = """
define internal void @serial_for(ptr %task, ptr %context, i64 %count) {
entry:
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %each, label %end
each:
  %i = phi i64 [ 0, %entry ], [ %following, %each ]
  call void %task(ptr %context, i64 %i)
  %following = add nuw nsw i64 %i, 1
  %more = icmp slt i64 %following, %count
  br i1 %more, label %each, label %end
end:
  ret void
}
"""

# The upper half of `@state` counts the places that are free in the job, the lower half the workers inside it. A worker
# comes in by one exchange of the whole word, so that it never meets a job that has been closed. What the job is lies
# in plain memory: it is written before the places are opened, and again only when no worker is inside.
#
# A thread that goes to sleep counts itself and then looks at `@state`; one that wakes it changes `@state` and then
# looks at the count. Both are sequentially consistent, so that one of the two sees the other.
#
# What is left of these in a forked child belongs to threads that are not there. `@owner` tells.
_THREADED = """
%Queue = type { [128 x i8], i64 }          ; a condition variable, and how many threads sleep on it

@threads = global i64 1
@owner   = internal global i32 -1          ; the process that the rest belongs to; 0 while it is set up
@busy    = internal global i32 0           ; whether a caller has the pool
@workers = internal global i64 0           ; how many were started; the caller that has the pool writes it
@mutex   = internal global [128 x i8] zeroinitializer, align 128
@idle    = internal global %Queue zeroinitializer, align 128
@done    = internal global %Queue zeroinitializer, align 128
@task    = internal global ptr null, align 128
@context = internal global ptr null
@count   = internal global i64 0
@ranges  = internal global i64 1           ; the tasks are in so many ranges
@next    = internal global [$ranges x [16 x i64]] zeroinitializer, align 128
@state   = internal global i64 0, align 128
@end     = internal global i64 0, align 128

declare i32 @getpid()
declare i32 @sched_yield()
declare i32 @clock_gettime(i32, ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @sigdelset(ptr, i32)

define void @parallel_for(ptr %task, ptr %context, i64 %count, i64 %threads) {
  %given = icmp sgt i64 %threads, 0
  %set = load atomic i64, ptr @threads monotonic, align 8
  %most = select i1 %given, i64 %threads, i64 %set
  %fewer = icmp slt i64 %count, %most
  %wanted = select i1 %fewer, i64 %count, i64 %most
  %several = icmp sgt i64 %wanted, 1
  br i1 %several, label %ask, label %alone
ask:
  %free = call i1 @acquire()
  br i1 %free, label %share, label %alone
share:
  %others = sub i64 %wanted, 1
  %helpers = call i64 @hire(i64 %others)
  store ptr %task, ptr @task
  store ptr %context, ptr @context
  store i64 %count, ptr @count
  %threads_there = add i64 %helpers, 1
  %many = icmp sgt i64 %threads_there, $ranges
  %ranges = select i1 %many, i64 $ranges, i64 %threads_there
  store i64 %ranges, ptr @ranges
  br label %reset
reset:
  %range = phi i64 [ 0, %share ], [ %next_range, %reset ]
  %place = getelementptr [16 x i64], ptr @next, i64 %range
  store atomic i64 0, ptr %place monotonic, align 8
  %next_range = add i64 %range, 1
  %rest = icmp slt i64 %next_range, %ranges
  br i1 %rest, label %reset, label %open
open:
  %places = shl i64 %helpers, 32
  store atomic i64 %places, ptr @state seq_cst, align 8
  call void @wake(ptr @idle, i64 %helpers)
  call void @work(i64 0)
  atomicrmw and ptr @state, i64 4294967295 seq_cst
  call void @wait(ptr @done, i64 4294967295, i1 false)
  store atomic i32 0, ptr @busy release, align 4
  ret void
alone:
  call void @serial_for(ptr %task, ptr %context, i64 %count)
  ret void
}

; Takes the pool, and sets it up if it has never been used in this process; false if another caller has it.
define internal i1 @acquire() {
  %process = call i32 @getpid()
  %owner = load atomic i32, ptr @owner acquire, align 4
  %known = icmp eq i32 %owner, %process
  br i1 %known, label %take, label %enter
enter:
  %open = icmp ne i32 %owner, 0
  br i1 %open, label %claim, label %refuse
claim:
  %claimed = cmpxchg ptr @owner, i32 %owner, i32 0 seq_cst seq_cst
  %mine = extractvalue { i32, i1 } %claimed, 1
  br i1 %mine, label %reset, label %refuse
reset:
  store atomic i32 0, ptr @busy monotonic, align 4
  store atomic i64 0, ptr @state monotonic, align 8
  store i64 0, ptr @workers
  store i64 0, ptr getelementptr (%Queue, ptr @idle, i32 0, i32 1)
  store i64 0, ptr getelementptr (%Queue, ptr @done, i32 0, i32 1)
  call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  call i32 @pthread_cond_init(ptr @idle, ptr null)
  call i32 @pthread_cond_init(ptr @done, ptr null)
  store atomic i32 %process, ptr @owner release, align 4
  br label %take
take:
  %taken = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic
  %free = extractvalue { i32, i1 } %taken, 1
  ret i1 %free
refuse:
  ret i1 false
}

; Starts workers until there are so many, or as many as the system lets; returns how many can help.
define internal i64 @hire(i64 %wanted) {
entry:
  %all = alloca [128 x i8], align 16
  %old = alloca [128 x i8], align 16
  %thread = alloca [16 x i8], align 16
  %before = load i64, ptr @workers
  %enough = icmp sge i64 %before, %wanted
  br i1 %enough, label %end, label %block
block:                                     ; signals are for the threads of the program, not for workers
  call i32 @sigfillset(ptr %all)
  $keep
  call i32 @pthread_sigmask(i32 $setmask, ptr %all, ptr %old)
  br label %start
start:
  %now = phi i64 [ %before, %block ], [ %more, %started ]
  %more = add i64 %now, 1
  %number = inttoptr i64 %more to ptr
  %failed = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr %number)
  %well = icmp eq i32 %failed, 0
  br i1 %well, label %started, label %restore
started:
  store i64 %more, ptr @workers
  %complete = icmp sge i64 %more, %wanted
  br i1 %complete, label %restore, label %start
restore:
  call i32 @pthread_sigmask(i32 $setmask, ptr %old, ptr null)
  br label %end
end:
  %there = load i64, ptr @workers
  %few = icmp slt i64 %there, %wanted
  %helpers = select i1 %few, i64 %there, i64 %wanted
  ret i64 %helpers
}

define internal ptr @worker(ptr %number) {
entry:
  %own = ptrtoint ptr %number to i64
  br label %idle
idle:
  call void @wait(ptr @idle, i64 -4294967296, i1 true)
  %seen = load atomic i64, ptr @state seq_cst, align 8
  br label %look
look:
  %state = phi i64 [ %seen, %idle ], [ %found, %enter ]
  %places = lshr i64 %state, 32
  %full = icmp eq i64 %places, 0
  br i1 %full, label %idle, label %enter
enter:
  %inside = add i64 %state, -4294967295     ; one place less, one worker more
  %tried = cmpxchg ptr @state, i64 %state, i64 %inside seq_cst seq_cst
  %found = extractvalue { i64, i1 } %tried, 0
  %entered = extractvalue { i64, i1 } %tried, 1
  br i1 %entered, label %work, label %look
work:
  call void @work(i64 %own)
  %left = atomicrmw sub ptr @state, i64 1 seq_cst
  %last = icmp eq i64 %left, 1              ; the caller has closed the job, and may wait
  br i1 %last, label %tell, label %idle
tell:
  call void @wake(ptr @done, i64 1)
  br label %idle
}

; Runs tasks of the thread's own range, so that from one job to the next it has the same rows in its cache, and then
; what is left of the others.
define internal void @work(i64 %own) {
entry:
  %task = load ptr, ptr @task
  %context = load ptr, ptr @context
  %count = load i64, ptr @count
  %ranges = load i64, ptr @ranges
  br label %range
range:
  %done = phi i64 [ 0, %entry ], [ %more_done, %over ]
  %sum = add i64 %own, %done
  %which = urem i64 %sum, %ranges
  %following = add i64 %which, 1
  %before = mul i64 %which, %count
  %first = udiv i64 %before, %ranges
  %until = mul i64 %following, %count
  %last = udiv i64 %until, %ranges
  %next = getelementptr [16 x i64], ptr @next, i64 %which
  br label %take
take:
  %taken = atomicrmw add ptr %next, i64 1 monotonic
  %i = add i64 %first, %taken
  %more = icmp slt i64 %i, %last
  br i1 %more, label %run, label %over
run:
  call void %task(ptr %context, i64 %i)
  br label %take
over:
  %more_done = add i64 %done, 1
  %others = icmp slt i64 %more_done, %ranges
  br i1 %others, label %range, label %end
end:
  ret void
}

; Whether there is something under the mask of the state, or, if nothing is wanted, nothing.
define internal i1 @ready(i64 %mask, i1 %wanted) {
  %state = load atomic i64, ptr @state seq_cst, align 8
  %part = and i64 %state, %mask
  %any = icmp ne i64 %part, 0
  %ready = icmp eq i1 %any, %wanted
  ret i1 %ready
}

; Waits until the state is ready: awake for a while, then asleep.
define internal void @wait(ptr %queue, i64 %mask, i1 %wanted) {
  %sleepers = getelementptr %Queue, ptr %queue, i32 0, i32 1
  %soon = call i1 @ready(i64 %mask, i1 %wanted)
  br i1 %soon, label %end, label %begin
begin:
  %start = call i64 @now()
  br label %spin
spin:
  %ready = call i1 @ready(i64 %mask, i1 %wanted)
  br i1 %ready, label %end, label %look
look:
  %now = call i64 @now()
  %spent = sub i64 %now, %start
  %late = icmp sgt i64 %spent, $spin
  br i1 %late, label %sleep, label %stay
stay:
  %long = icmp sgt i64 %spent, $patience
  br i1 %long, label %yield, label %spin
yield:
  call i32 @sched_yield()
  br label %spin
sleep:
  call i32 @pthread_mutex_lock(ptr @mutex)
  atomicrmw add ptr %sleepers, i64 1 seq_cst
  br label %check
check:
  %over = call i1 @ready(i64 %mask, i1 %wanted)
  br i1 %over, label %rise, label %block
block:
  call i32 @pthread_cond_wait(ptr %queue, ptr @mutex)
  br label %check
rise:
  atomicrmw sub ptr %sleepers, i64 1 seq_cst
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %end
end:
  ret void
}

; Wakes so many sleepers of a queue, if there are any.
define internal void @wake(ptr %queue, i64 %most) {
entry:
  %place = getelementptr %Queue, ptr %queue, i32 0, i32 1
  %sleepers = load atomic i64, ptr %place seq_cst, align 8
  %few = icmp slt i64 %sleepers, %most
  %times = select i1 %few, i64 %sleepers, i64 %most
  %some = icmp sgt i64 %times, 0
  br i1 %some, label %pass, label %end
pass:                                      ; who has counted itself now sleeps, or has seen the state
  call i32 @pthread_mutex_lock(ptr @mutex)
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %each
each:
  %i = phi i64 [ 0, %pass ], [ %following, %each ]
  call i32 @pthread_cond_signal(ptr %queue)
  %following = add i64 %i, 1
  %more = icmp slt i64 %following, %times
  br i1 %more, label %each, label %end
end:
  ret void
}

define internal i64 @now() {
  %time = alloca [2 x i64], align 16
  call i32 @clock_gettime(i32 $clock, ptr %time)
  %seconds = load i64, ptr %time
  %place = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %place
  %scaled = mul i64 %seconds, 1000000000
  %now = add i64 %scaled, %rest
  ret i64 %now
}
"""


def _keep() -> str:
    # A fault inside a task is reported by the thread that it happens in.
    numbers = [int(getattr(signal, name)) for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL")]
    return "\n  ".join(f"call i32 @sigdelset(ptr %all, i32 {n})" for n in numbers)


def serial() -> str:
    """The module whose callers run all tasks themselves."""
    return _SERIAL + _LOOP


def source() -> str:
    """The module for this system: where there are no threads of POSIX, the caller runs all tasks."""
    needed = re.findall(r"^declare .* @(\w+)", _THREADED, re.MULTILINE)
    if sys.platform == "win32" or not all(hasattr(ctypes.CDLL(None), name) for name in needed):
        return serial()
    filled = Template(_THREADED).substitute(
        clock=time.CLOCK_MONOTONIC,
        keep=_keep(),
        setmask=int(signal.SIG_SETMASK),
        spin=_SPIN,
        patience=_YIELD,
        ranges=_RANGES,
    )
    return filled + _LOOP
