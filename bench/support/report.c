/* bench/support/report.c - see report.h */
#include "support/report.h"

#include <stdio.h>

const char *bench_time_text(double seconds, char text[32])
{
    static const struct {
        double least, factor;
        const char *unit;
    } units[] = {
        { 1, 1, "s " },
        { 1e-3, 1e3, "ms" },
        { 1e-6, 1e6, "us" },
        { 0, 1e9, "ns" },
    };
    int i = 0;
    while (seconds < units[i].least) i++;
    const double v = seconds * units[i].factor;
    snprintf(text, 32, v < 10 ? "%.2f %s" : v < 100 ? "%.1f %s" : "%.0f %s", v, units[i].unit);
    return text;
}

void bench_print_ceilings(const bench_ceilings *c)
{
    printf("ceilings, measured now, %s: one thread, then %d\n", c->isa, c->threads);
    printf("  multiply-add  %6.0f %6.0f GFLOP/s\n", 1e-9 * c->flops[0], 1e-9 * c->flops[1]);
    for (int p = 0; p < BENCH_PLACES; p++)
        printf("  read %-8s %6.0f %6.0f GB/s\n", bench_place_name[p], 1e-9 * c->read[p][0], 1e-9 * c->read[p][1]);
    printf("  write DRAM    %6.0f %6.0f GB/s\n\n", 1e-9 * c->write[0], 1e-9 * c->write[1]);
}

void bench_print_head(int name_width)
{
    printf("%-*s  %9s  %15s  %14s  %s\n", name_width, "entry", "median", "quartiles", "rate", "of the ceiling");
}

static void rate_text(const bench_result *r, char text[32])
{
    const double t = r->time.median;
    if (r->flops > 0)
        snprintf(text, 32, "%.1f GFLOP/s", 1e-9 * r->flops / t);
    else if (r->bytes > 0)
        snprintf(text, 32, "%.1f GB/s", 1e-9 * r->bytes / t);
    else if (r->items > 0)
        snprintf(text, 32, "%.4g %.12s/s", r->items / t, r->item);
    else
        text[0] = 0;
}

void bench_print_result(const bench_result *r, int name_width)
{
    char median[32], rate[32], spread[40], share[32] = "";
    rate_text(r, rate);
    snprintf(spread, sizeof spread, "%+.1f to %+.1f %%", 100 * (r->time.low / r->time.median - 1),
             100 * (r->time.high / r->time.median - 1));
    if (r->bound) snprintf(share, sizeof share, "%3.0f %% %s", 100 * r->share, r->bound);
    printf("%-*s  %9s  %15s  %14s  %s\n", name_width, r->name, bench_time_text(r->time.median, median), spread, rate,
           share);
    fflush(stdout);
}
