/* bench/support/turns.c - our side of a comparison: an entry by turns, for bench/support/peers.c
 *
 *   posenet-bench --turns ENTRY THREADS [WARMUP]
 *
 * Does the entry WARMUP times (2), then for every line on stdin again, for 15 ms at least, and prints {"seconds": S}.
 */
#include "support/measure.h"
#include "support/peers.h"

#include <stdio.h>
#include <stdlib.h>

enum { USUAL_WARMUP = 2 };
static const double sample_seconds = 0.015;

static pn_status take_turns(bench_work *w, int64_t warmup)
{
    char line[64];
    double wall, cpu;
    pn_status status = warmup ? bench_sample(w, 0, &warmup, &wall, &cpu) : PN_OK;
    while (!status && fgets(line, sizeof line, stdin)) {
        int64_t n = 0;
        status = bench_sample(w, sample_seconds, &n, &wall, &cpu);
        if (!status) printf("{\"seconds\": %.9f}\n", wall);
        fflush(stdout);
    }
    return status;
}

int bench_turns(int argc, char **argv)
{
    char why[256] = "";
    if (argc < 4) return fprintf(stderr, "usage: posenet-bench --turns ENTRY THREADS [WARMUP]\n"), 2;
    bench_list list = bench_list_all();
    const bench_entry *e = bench_list_find(&list, argv[2]);
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = atoi(argv[3]) }, why);
    bench_work *w = ctx && e ? bench_begin(ctx, e) : NULL;
    const pn_status status = w ? take_turns(w, argc > 4 ? atoi(argv[4]) : USUAL_WARMUP) : PN_ERR_ARG;
    if (!e)
        fprintf(stderr, "posenet-bench: there is no entry '%s'\n", argv[2]);
    else if (status)
        fprintf(stderr, "posenet-bench: %s\n", ctx ? pn_ctx_message(ctx) : why);
    if (w) w->end(w);
    pn_ctx_free(ctx);
    bench_list_free(&list);
    return status ? 1 : 0;
}
