/* bench/support/watch.c - see watch.h */
#define _DEFAULT_SOURCE
#include "support/watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const double much = 0.05; /* of the processors' time, of the peak: what is worth a warning */

/* ---- Variables --------------------------------------------------------------------------------------------------- */

void bench_warn_environment(pn_ctx *ctx)
{
    static const char *const prefixes[] = { "OPENBLAS_", "OMP_",       "GOMP_",          "KMP_",      "MKL_",
                                            "BLIS_",     "MALLOC_",    "GLIBC_TUNABLES", "ATEN_CPU_", "ONEDNN_",
                                            "DNNL_",     "LD_PRELOAD", "PN_ISA" };
    for (char **v = environ; *v; v++)
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
            if (strncmp(*v, prefixes[i], strlen(prefixes[i])) == 0)
                pn_ctx_warn(ctx, "%s is set: it changes what some library does; unset it unless you mean it", *v);
    double load[1];
    if (getloadavg(load, 1) == 1 && load[0] > 0.5)
        pn_ctx_warn(ctx, "the load average is %.2f before anything was measured: other processes want the processors",
                    load[0]);
}

/* ---- Who else runs ----------------------------------------------------------------------------------------------- */

static double own_seconds(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

bench_watch bench_watch_now(void)
{
    bench_watch w = { .own = own_seconds(RUSAGE_SELF) + own_seconds(RUSAGE_CHILDREN) };
    w.cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    w.at = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    FILE *in = fopen("/proc/stat", "r");
    if (!in) return w;
    double user, nice, system, idle, wait, irq, soft, steal;
    const int got = fscanf(in, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system, &idle, &wait, &irq, &soft,
                           &steal);
    if (got == 8) {
        const double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
        w.busy = tick * (user + nice + system + irq + soft);
        w.stolen = tick * steal;
    }
    fclose(in);
    return w;
}

void bench_warn_interference(pn_ctx *ctx, const bench_watch *from, const bench_watch *to)
{
    const double time = (to->at - from->at) * to->cpus;
    if (!(time > 0)) return;
    const double others = (to->busy - from->busy - (to->own - from->own)) / time,
                 stolen = (to->stolen - from->stolen) / time;
    if (others > much)
        pn_ctx_warn(
            ctx,
            "other processes took %.0f %% of the processors while this ran; times are too long, stop them and repeat",
            100 * others);
    if (stolen > much)
        pn_ctx_warn(ctx, "the host took %.0f %% of the processors away (steal); times are too long, repeat",
                    100 * stolen);
}

/* ---- The machine's own pace -------------------------------------------------------------------------------------- */

void bench_warn_ceilings(pn_ctx *ctx, const bench_ceilings *c)
{
    if (c->threads > 1 && c->flops[1] < c->flops[0])
        pn_ctx_warn(ctx,
                    "%d threads multiply and add slower than one (%.0f and %.0f GFLOP/s): something else runs, or the "
                    "process is pinned to fewer cores; do not trust what follows",
                    c->threads, 1e-9 * c->flops[1], 1e-9 * c->flops[0]);
}

void bench_warn_drift(pn_ctx *ctx, const bench_ceilings *before, double peak_after)
{
    const double moved = peak_after / before->flops[1] - 1;
    if (fabs(moved) > much)
        pn_ctx_warn(
            ctx,
            "the peak moved by %+.0f %% between the beginning and the end of the run (%.0f to %.0f GFLOP/s); repeat",
            100 * moved, 1e-9 * before->flops[1], 1e-9 * peak_after);
}
