/* bench/support/measure.c - see measure.h */
#include "support/measure.h"

#include <stdio.h>

/* A pass may need another one before it that is not timed; a sample does not wait for that longer than patience. */
static const double sample_seconds = 0.015, entry_seconds = 0.4, patience = 0.5;
enum { LEAST_SAMPLES = 5, LEAST_OF_LONG = 3 };
static const double long_seconds = 2; /* such iterations differ by little, and there is other work */

pn_status bench_sample(bench_work *w, double seconds, int64_t *iterations, double *wall, double *cpu)
{
    bench_timer t = { 0 }, all = { 0 };
    int64_t n = 0;
    do {
        bench_start(&all);
        const pn_status status = w->once(w, &t);
        bench_stop(&all);
        if (status) return status;
        n++;
    } while (*iterations ? n < *iterations : t.wall < seconds && all.wall < patience);
    *iterations = n;
    *wall = t.wall / (double)n;
    *cpu = t.cpu / (double)n;
    return PN_OK;
}

static int samples_for(double seconds_of_one, double sample)
{
    const double fit = entry_seconds / sample;
    const int least = seconds_of_one > long_seconds ? LEAST_OF_LONG : LEAST_SAMPLES;
    return fit < least ? least : fit > BENCH_SAMPLES ? BENCH_SAMPLES : (int)fit;
}

static pn_status sample_all(bench_work *w, bench_result *out)
{
    double wall, cpu;
    int64_t cold = 1;
    pn_status status = bench_sample(w, 0, &cold, &wall, &cpu);
    if (status) return status;
    bench_timer all = { 0 };
    bench_start(&all);
    status = bench_sample(w, 1.1 * sample_seconds, &out->iterations, &wall, &cpu);
    bench_stop(&all);
    const int n = samples_for(wall, all.wall);
    for (int i = 0; i < n && !status; i++) status = bench_sample(w, 0, &out->iterations, &out->wall[i], &out->cpu[i]);
    if (!status) out->time = bench_stats_of(out->wall, n);
    return status;
}

pn_status bench_measure(pn_ctx *ctx, const bench_entry *e, const bench_ceilings *c, bench_result *out)
{
    *out = (bench_result){ .inside = bench_inside(e) };
    snprintf(out->name, sizeof out->name, "%s", e->name);
    bench_work *w = bench_begin(ctx, e);
    if (!w) return pn_ctx_status(ctx);
    const pn_status status = sample_all(w, out);
    double least;
    out->flops = w->flops;
    out->bytes = w->read + w->written;
    out->items = w->items;
    out->item = w->item;
    out->plan_bytes = w->bytes;
    out->bound = bench_bound(c, w, &least);
    if (out->bound && out->time.median > 0) out->share = least / out->time.median;
    w->end(w);
    return status;
}
