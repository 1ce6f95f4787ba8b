"""What the peers for whole networks share: their options, and turns that can alternate with another program's.

A peer calls options() before it loads torch, and run() with the work. run() prints one line of JSON per turn on stdout.
--interactive waits for a line "go" on stdin before each turn, so that a driver can alternate with another program; end of input
ends the run. Two turns (--warmup) run first, without waiting and without a line. --compile hands the networks to torch.compile
(PyTorch 2 on). --check compares the peer with the reference in tests/golden and times nothing. Denormals are flushed.
What remains to the caller: the environment (ATEN_CPU_CAPABILITY, MALLOC_*) and taskset. Take the faster layout.
"""

import argparse
import json
import os
import sys
import time

PRINTED = "what", "size", "batch", "layout", "widths"


def options(description, what, size, multiple, widths, **more):
    """more: further options by name, their choices; the first is the default, as with widths"""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("what", choices=what)
    parser.add_argument("--size", default=size, help=f"HxW, multiples of {multiple}")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--iters", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2, help="iterations before the first that is printed")
    parser.add_argument("--layout", choices=["nchw", "nhwc"], default="nchw")
    for name, choices in {"widths": widths, **more}.items():
        parser.add_argument(f"--{name}", choices=choices, default=choices[0])
    for name in ("interactive", "compile", "check"):
        parser.add_argument(f"--{name}", action="store_true")
    opt = parser.parse_args()
    opt.printed = [*PRINTED, *more]
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(opt.threads))     # torch's OpenBLAS does not listen to set_num_threads
    return opt


def run(opt, start, check):
    """start(opt, layout) -> the work of a turn, which returns a number; check(layout) -> whether the peer is right"""
    import torch
    torch.set_num_threads(opt.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    layout = torch.channels_last if opt.layout == "nhwc" else torch.contiguous_format
    if opt.check:
        sys.exit(0 if check(layout) else 1)

    work = start(opt, layout)
    for _ in range(opt.warmup):
        work()
    for i in range(opt.iters):
        if opt.interactive and sys.stdin.readline().strip() != "go":
            break
        begin = time.perf_counter()
        value = work()
        seconds = time.perf_counter() - begin
        print(json.dumps({"peer": "torch", "torch": torch.__version__, "iteration": i, "seconds": seconds,
                          "threads": torch.get_num_threads(), "value": value,
                          **{name: getattr(opt, name) for name in opt.printed}}), flush=True)
