/* bench/support/stats.c - see stats.h */
#include "support/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1024 };

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values, between its neighbours in proportion. */
static double quantile(const double *sorted, int n, double share)
{
    const double at = share * (n - 1);
    const int below = (int)at;
    return below + 1 < n ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]) : sorted[n - 1];
}

bench_stats bench_stats_of(const double *values, int n)
{
    double sorted[MOST], distance[MOST];
    bench_stats s = { .n = n };
    if (n < 1 || n > MOST) return s;
    memcpy(sorted, values, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    s.median = quantile(sorted, n, 0.5);
    s.low = quantile(sorted, n, 0.25);
    s.high = quantile(sorted, n, 0.75);
    for (int i = 0; i < n; i++) s.mean += values[i] / n;
    for (int i = 0; i < n; i++) {
        s.deviation += (values[i] - s.mean) * (values[i] - s.mean);
        distance[i] = fabs(values[i] - s.median);
    }
    s.deviation = n > 1 ? sqrt(s.deviation / (n - 1)) : 0;
    qsort(distance, (size_t)n, sizeof *distance, ascending);
    s.mad = quantile(distance, n, 0.5);
    return s;
}

double bench_noise(const bench_stats *s) { return s->median > 0 ? 1.4826 * s->mad / s->median : 0; }
