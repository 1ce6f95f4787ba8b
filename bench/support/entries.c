/* bench/support/entries.c - the list of everything that can be timed */
#define _POSIX_C_SOURCE 200809L
#include "support/pnbench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH(name) extern const pn_bench_case bench_##name[];
#include "bench.def"
#undef BENCH

static const pn_bench_case *const tables[] = {
#define BENCH(name) bench_##name,
#include "bench.def"
#undef BENCH
};

static const struct {
    const char *name, *inside;
} passes[PN_BENCH_PASSES] = {
    [PN_BENCH_FORWARD] = { "forward", "inference: parameters packed before, activations in the op's own layout" },
    [PN_BENCH_BACKWARD] = { "backward", "all gradients; packing of parameters for backward" },
    [PN_BENCH_DATA] = { "backward-data", "the input's gradient; packing of parameters for backward" },
    [PN_BENCH_WEIGHTS] = { "backward-weights", "the parameters' gradients" },
    [PN_BENCH_TRAIN] = { "train", "forward and backward; packing of parameters for both" },
};

static bench_entry *add(bench_list *l, const pn_bench_case *of, pn_bench_pass pass)
{
    if (l->count == l->room) {
        const int more = l->room ? 2 * l->room : 128;
        bench_entry *entry = realloc(l->entry, (size_t)more * sizeof *entry);
        if (!entry) return NULL;
        l->entry = entry;
        l->room = more;
    }
    bench_entry *e = &l->entry[l->count++];
    *e = (bench_entry){ .of = of, .pass = pass };
    snprintf(e->name, sizeof e->name, "%s%s%s", of->name, of->run ? "/" : "", of->run ? passes[pass].name : "");
    return e;
}

static bool add_case(bench_list *l, const pn_bench_case *of)
{
    if (!of->run) return add(l, of, PN_BENCH_FORWARD);
    const unsigned wanted = of->passes ? of->passes : PN_BENCH_BOTH;
    for (int p = 0; p < PN_BENCH_PASSES; p++)
        if ((wanted & PN_BENCH_PASS(p)) && !add(l, of, (pn_bench_pass)p)) return false;
    return true;
}

enum { MODEL_CASES = 64 };
static pn_bench_case model_case[MODEL_CASES + 1]; /* made once from the registry; entries point into it */

bench_list bench_list_all(void)
{
    bench_list l = { 0 };
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const pn_bench_case *c = tables[t]; c->name; c++)
            if (!add_case(&l, c)) return (bench_list){ 0 };
    const int models = bench_models(model_case, MODEL_CASES);
    for (int i = 0; i < models; i++)
        if (!add_case(&l, &model_case[i])) return (bench_list){ 0 };
    return l;
}

void bench_list_free(bench_list *l) { free(l->entry); }

const bench_entry *bench_list_find(const bench_list *l, const char *name)
{
    for (int i = 0; i < l->count; i++)
        if (strcmp(l->entry[i].name, name) == 0) return &l->entry[i];
    return NULL;
}

bench_work *bench_begin(pn_ctx *ctx, const bench_entry *e)
{
    return e->of->run ? bench_op_begin(ctx, e) : e->of->begin(ctx, e);
}

const char *bench_inside(const bench_entry *e) { return e->of->run ? passes[e->pass].inside : e->of->inside; }

/* ---- Clocks ------------------------------------------------------------------------------------------------------ */

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Processor time outside, as asking for it takes longer. */
void bench_start(bench_timer *t)
{
    t->cpu_from = now(CLOCK_PROCESS_CPUTIME_ID);
    t->wall_from = now(CLOCK_MONOTONIC);
}

void bench_stop(bench_timer *t)
{
    t->wall += now(CLOCK_MONOTONIC) - t->wall_from;
    t->cpu += now(CLOCK_PROCESS_CPUTIME_ID) - t->cpu_from;
}
