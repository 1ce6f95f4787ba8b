/* bench/support/compare.c - see compare.h */
#define _POSIX_C_SOURCE 200809L
#include "support/compare.h"
#include "support/report.h"

#include "core/core.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double floor_noise = 0.01;   /* of a deviation: nobody measures better than that here */
static const double unknown_noise = 0.05; /* of a file with one sample per entry */
static const double sure = 2;             /* deviations that a difference must be above */

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static const char *text_of(const cJSON *o, const char *key)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return s ? s : "";
}

/* Seconds; NaN where the row has no such number. */
static double seconds_of(const cJSON *row)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = { { "ns", 1e-9 }, { "us", 1e-6 }, { "ms", 1e-3 }, { "s", 1 } };
    const cJSON *time = cJSON_GetObjectItemCaseSensitive(row, "real_time");
    const char *unit = text_of(row, "time_unit");
    for (size_t i = 0; i < sizeof units / sizeof *units && cJSON_IsNumber(time); i++)
        if (strcmp(unit, units[i].name) == 0 || (!*unit && i == 0)) return units[i].seconds * time->valuedouble;
    return NAN;
}

static bench_old *entry_for(bench_earlier *e, const char *name)
{
    for (int i = 0; i < e->count; i++)
        if (strcmp(e->entry[i].name, name) == 0) return &e->entry[i];
    bench_old *grown = realloc(e->entry, (size_t)(e->count + 1) * sizeof *grown);
    if (!grown) return NULL;
    e->entry = grown;
    grown[e->count] = (bench_old){ .name = strdup(name) };
    return grown[e->count].name ? &grown[e->count++] : NULL;
}

/* Samples where the file has them, since they say how they scatter; else the aggregate rows. */
static void summarise(bench_old *old, const cJSON *rows)
{
    enum { MOST = 1024 };
    double sample[MOST] = { 0 }, median = NAN, deviation = NAN;
    int n = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        const char *name = text_of(row, "run_name"), *aggregate = text_of(row, "aggregate_name");
        const double t = seconds_of(row);
        if (strcmp(*name ? name : text_of(row, "name"), old->name) != 0 || !(t >= 0)) continue;
        if (!*aggregate && t > 0 && n < MOST) sample[n++] = t;
        if (strcmp(aggregate, "median") == 0) median = t;
        if (strcmp(aggregate, "stddev") == 0) deviation = t;
    }
    const bench_stats s = bench_stats_of(sample, n);
    old->samples = n;
    old->seconds = n ? s.median : median;
    old->noise = n > 2 ? bench_noise(&s) : deviation > 0 ? deviation / old->seconds : unknown_noise;
}

static pn_status take(pn_ctx *ctx, const char *path, const cJSON *root, bench_earlier *out)
{
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(root, "benchmarks"), *row;
    if (!cJSON_IsArray(rows))
        return pn_ctx_fail(ctx, PN_ERR_FORMAT,
                           "%s has no array \"benchmarks\"; expected a file that posenet-bench --json or Google "
                           "Benchmark's --benchmark_out wrote",
                           path);
    const cJSON *context = cJSON_GetObjectItemCaseSensitive(root, "context");
    const cJSON *threads = cJSON_GetObjectItemCaseSensitive(context, "posenet_threads");
    if (cJSON_IsNumber(threads)) out->threads = threads->valueint;
    if (*text_of(context, "posenet_isa")) out->isa = strdup(text_of(context, "posenet_isa"));
    cJSON_ArrayForEach(row, rows)
    {
        const char *name = text_of(row, "run_name"), *of = *name ? name : text_of(row, "name");
        if (*of && seconds_of(row) >= 0 && !entry_for(out, of))
            return pn_ctx_fail(ctx, PN_ERR_NOMEM, "no memory for %s", path);
    }
    for (int i = 0; i < out->count; i++) summarise(&out->entry[i], rows);
    if (out->count) return PN_OK;
    return pn_ctx_fail(ctx, PN_ERR_FORMAT,
                       "%s holds no entry with a name and a real_time; write it anew with posenet-bench --json", path);
}

pn_status bench_earlier_read(pn_ctx *ctx, const char *path, bench_earlier *out)
{
    pn_bytes file;
    *out = (bench_earlier){ 0 };
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    cJSON *root = cJSON_ParseWithLength((const char *)file.bytes, file.size);
    if (root)
        status = take(ctx, path, root, out);
    else
        status = pn_ctx_fail(ctx, PN_ERR_FORMAT,
                             "%s is not JSON, or is cut off; write it anew with posenet-bench --json", path);
    cJSON_Delete(root);
    pn_free(ctx, file.bytes);
    if (status) bench_earlier_free(out);
    return status;
}

void bench_earlier_free(bench_earlier *e)
{
    for (int i = 0; i < e->count; i++) free(e->entry[i].name);
    free(e->entry);
    free(e->isa);
    *e = (bench_earlier){ 0 };
}

/* ---- Judging ----------------------------------------------------------------------------------------------------- */

bench_change bench_change_of(const bench_old *old, const bench_stats *now)
{
    const double a = fmax(old->noise, floor_noise),
                 b = fmax(now->n > 2 ? bench_noise(now) : unknown_noise, floor_noise);
    bench_change c = { .ratio = old->seconds / now->median, .noise = sqrt(a * a + b * b) };
    const double change = log(c.ratio);
    if (fabs(change) > sure * c.noise) c.verdict = change > 0 ? BENCH_FASTER : BENCH_SLOWER;
    return c;
}

static const bench_old *find(const bench_earlier *old, const char *name)
{
    for (int i = 0; i < old->count; i++)
        if (strcmp(old->entry[i].name, name) == 0 && old->entry[i].seconds > 0) return &old->entry[i];
    return NULL;
}

void bench_print_changes(const char *path, const bench_earlier *old, const bench_result *now, int n, int name_width)
{
    static const char *const word[] = { [BENCH_SAME] = "same", [BENCH_FASTER] = "faster", [BENCH_SLOWER] = "slower" };
    int count[3] = { 0 }, missing = 0;
    printf("\nagainst %s; a verdict needs a change above twice the deviation of both runs together\n", path);
    printf("%-*s  %9s  %9s  %7s  %8s  %s\n", name_width, "entry", "then", "now", "then/now", "noise", "verdict");
    for (int i = 0; i < n; i++) {
        const bench_old *then = find(old, now[i].name);
        char a[32], b[32];
        if (!then) {
            missing++;
            continue;
        }
        const bench_change c = bench_change_of(then, &now[i].time);
        count[c.verdict]++;
        printf("%-*s  %9s  %9s  %7.2fx  %6.1f %%  %s\n", name_width, now[i].name, bench_time_text(then->seconds, a),
               bench_time_text(now[i].time.median, b), c.ratio, 100 * c.noise, word[c.verdict]);
    }
    printf("%d faster, %d slower, %d the same; %d entries are not in %s\n", count[BENCH_FASTER], count[BENCH_SLOWER],
           count[BENCH_SAME], missing, path);
}
