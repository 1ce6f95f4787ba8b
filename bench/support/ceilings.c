/* bench/support/ceilings.c - see ceilings.h; the loops are in bench/simd */
#define _POSIX_C_SOURCE 200809L
#include "support/ceilings.h"
#include "simd/ceiling.h"

#include "core/core.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const bench_place_name[BENCH_PLACES] = { "L1", "L2", "L3", "DRAM" };

enum { SAMPLES = 3, PIECES = 4, GRAIN = 256 }; /* PIECES per thread; GRAIN floats divide every stretch */
static const double sample_seconds = 0.015;

/* ---- What the caches hold ---------------------------------------------------------------------------------------- */

static size_t cache_bytes(int level)
{
    for (int i = 0; i < 8; i++) {
        char path[96], type[16] = "", unit = 0;
        int is = 0;
        size_t size = 0;
        static const char *const files[] = { "level", "type", "size" };
        for (int f = 0; f < 3; f++) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", i, files[f]);
            FILE *in = fopen(path, "r");
            if (!in) continue;
            const int got = f == 0   ? fscanf(in, "%d", &is)
                            : f == 1 ? fscanf(in, "%15s", type)
                                     : fscanf(in, "%zu%c", &size, &unit);
            fclose(in);
            if (got < 1) size = 0;
        }
        if (is == level && size && strcmp(type, "Instruction") != 0) return size << (unit == 'M' ? 20 : 10);
    }
    static const size_t usual[] = { 0, 32 << 10, 512 << 10, 8 << 20 };
    return usual[level];
}

/* ---- One loop on one or all threads ------------------------------------------------------------------------------ */

typedef enum { FMA, READ, WRITE } what;
typedef struct {
    const bench_loops *loops;
    what kind;
    float *memory;            /* a stretch for each piece, one after another */
    ptrdiff_t stretch, turns; /* floats of it; how often to go over it */
    double flops;             /* of one piece */
} job;

static void piece(void *at, ptrdiff_t item, int worker)
{
    const job *j = at;
    (void)worker;
    if (j->kind == FMA) {
        j->loops->fma(j->turns);
        return;
    }
    float *p = j->memory + item * j->stretch;
    for (ptrdiff_t i = 0; i < j->turns; i++) {
        if (j->kind == READ)
            j->loops->read(p, j->stretch);
        else
            j->loops->write(p, j->stretch, (float)i);
    }
}

static double seconds(pn_pool *pool, ptrdiff_t pieces, job *j)
{
    bench_timer t = { 0 };
    bench_start(&t);
    pn_parallel(pool, pieces, piece, j);
    bench_stop(&t);
    return t.wall;
}

/* Per turn of all pieces; the best of some samples: a ceiling is what can be reached, not what usually is. */
static double best(pn_pool *pool, ptrdiff_t pieces, job *j)
{
    double took = 0, least = 1e9;
    for (j->turns = 1; (took = seconds(pool, pieces, j)) < sample_seconds && j->turns < (PTRDIFF_MAX >> 2);)
        j->turns *= took > sample_seconds / 16 ? 2 : 8;
    for (int i = 0; i < SAMPLES; i++) {
        took = seconds(pool, pieces, j) / (double)j->turns;
        least = took < least ? took : least;
    }
    return least;
}

static const bench_loops *loops_of(const pn_ctx *ctx)
{
    switch (pn_ctx_isa(ctx)) {
#if defined(__x86_64__)
    case PN_ISA_AVX2: return &bench_loops_avx2;
    case PN_ISA_AVX512: return &bench_loops_avx512;
#elif defined(__aarch64__)
    case PN_ISA_NEON: return &bench_loops_neon;
#endif
    default: return &bench_loops_base;
    }
}

double bench_peak(pn_ctx *ctx)
{
    job j = { .loops = loops_of(ctx), .kind = FMA };
    const ptrdiff_t pieces = (ptrdiff_t)PIECES * pn_ctx_threads(ctx);
    return (double)pieces * j.loops->fma(1) / best(pn_ctx_pool(ctx), pieces, &j);
}

/* ---- All of them ------------------------------------------------------------------------------------------------- */

/* So many bytes in all as one piece per thread; each thread comes back to its own while it is in its cache. */
static double rate(pn_ctx *ctx, what kind, float *memory, size_t bytes)
{
    const ptrdiff_t threads = pn_ctx_threads(ctx), all = (ptrdiff_t)(bytes / sizeof(float));
    job j = { .loops = loops_of(ctx), .kind = kind, .memory = memory, .stretch = all / threads / GRAIN * GRAIN };
    return (double)(j.stretch * threads) * sizeof(float) / best(pn_ctx_pool(ctx), threads, &j);
}

/* Half of a cache: the other half is everybody else's. Memory: beyond the last cache by far. */
static size_t working_set(const bench_ceilings *c, bench_place place, int threads)
{
    if (place == BENCH_DRAM) {
        const size_t far = 4 * c->room[BENCH_L3], least = (size_t)128 << 20, most = (size_t)1 << 30;
        return far < least ? least : far > most ? most : far;
    }
    const size_t half = c->room[place] / 2;
    return place == BENCH_L3 ? half : half * (size_t)threads;
}

pn_status bench_ceilings_measure(pn_ctx *one, pn_ctx *ctx, bench_ceilings *out)
{
    pn_ctx *const by[2] = { one, ctx };
    *out = (bench_ceilings){ .threads = pn_ctx_threads(ctx) };
    out->isa = pn_ctx_isa(ctx) == PN_ISA_REF ? "base" : pn_isa_name(pn_ctx_isa(ctx));
    for (int level = 1; level <= 3; level++) out->room[level - 1] = cache_bytes(level);
    for (int t = 0; t < 2; t++) out->flops[t] = bench_peak(by[t]);
    const size_t bytes = working_set(out, BENCH_DRAM, 0);
    float *memory = pn_alloc_pages(ctx, bytes);
    if (!memory) return PN_ERR_NOMEM;
    memset(memory, 0, bytes); /* every page is there, and its own */
    for (int t = 0; t < 2; t++) {
        for (int p = 0; p < BENCH_PLACES; p++)
            out->read[p][t] = rate(by[t], READ, memory, working_set(out, (bench_place)p, pn_ctx_threads(by[t])));
        out->write[t] = rate(by[t], WRITE, memory, bytes);
    }
    pn_free_pages(ctx, memory, bytes);
    return PN_OK;
}

/* ---- The roof ---------------------------------------------------------------------------------------------------- */

static bench_place place_of(const bench_ceilings *c, double bytes)
{
    const double threads = c->threads;
    if (bytes <= threads * (double)c->room[BENCH_L1]) return BENCH_L1;
    if (bytes <= threads * (double)c->room[BENCH_L2]) return BENCH_L2;
    return bytes <= (double)c->room[BENCH_L3] ? BENCH_L3 : BENCH_DRAM;
}

const char *bench_bound(const bench_ceilings *c, const bench_work *w, double *seconds_at_least)
{
    const bench_place place = place_of(c, w->read + w->written);
    const double to_write = place == BENCH_DRAM ? c->write[1] : c->read[place][1];
    const double moving = c->read[place][1] > 0 && to_write > 0 ? w->read / c->read[place][1] + w->written / to_write
                                                                : 0;
    const double adding = c->flops[1] > 0 ? w->flops / c->flops[1] : 0;
    *seconds_at_least = adding > moving ? adding : moving;
    if (!(*seconds_at_least > 0)) return NULL;
    return adding > moving ? "FMA" : bench_place_name[place];
}
