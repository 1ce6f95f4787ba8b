/* stats.h - a set of timings in a few numbers that outliers do not move */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

typedef struct {
    int n;
    double median, low, high;       /* quartiles */
    double mean, deviation;
    double mad;                     /* median distance from the median */
} bench_stats;

bench_stats bench_stats_of(const double *values, int n);        /* n from 1 to 1024 */
/* The deviation of a normal distribution with this mad, as a share of the median: the noise of one sample. */
double bench_noise(const bench_stats *s);

#endif
