"""Two programs by turns: A B A B ..., each one timed run per line of input. Prints every pair, the medians and the median ratio.

    python3 bench/peers/turns.py [--rounds 7] -- A ... -- B ...

Each program warms up by itself, then waits for a line on stdin, works once and prints a line of JSON with "seconds".
A ratio above 1 says that A took longer than B.
"""

import json
import statistics
import subprocess
import sys


def start(command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def turn(process):
    process.stdin.write("go\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        sys.exit("a program ended early")
    return json.loads(line)["seconds"]


def main():
    args = sys.argv[1:]
    rounds = 7
    if args and args[0] == "--rounds":
        rounds, args = int(args[1]), args[2:]
    cut = args.index("--", 1)
    a, b = start(args[1:cut]), start(args[cut + 1:])
    pairs = []
    for i in range(rounds):
        pairs.append((turn(a), turn(b)))
        print(f"round {i + 1}: A {pairs[-1][0]:.3f} s, B {pairs[-1][1]:.3f} s, A/B {pairs[-1][0] / pairs[-1][1]:.2f}", flush=True)
    ratios = [x / y for x, y in pairs]
    print(f"median A {statistics.median(x for x, _ in pairs):.3f} s, B {statistics.median(y for _, y in pairs):.3f} s; "
          f"A/B median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
    for process in (a, b):
        process.stdin.close()
        process.wait()


main()
