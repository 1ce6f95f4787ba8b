/* bench/support/json.c - see json.h */
#define _DEFAULT_SOURCE
#include "support/json.h"

#include "core/core.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- The context ------------------------------------------------------------------------------------------------- */

/* The first line of a small file; "" if there is none. */
static const char *line_of(const char *path, char line[128])
{
    FILE *in = fopen(path, "r");
    if (!in || !fgets(line, 128, in)) line[0] = 0;
    if (in) fclose(in);
    line[strcspn(line, "\n")] = 0;
    return line;
}

static double megahertz(void)
{
    FILE *in = fopen("/proc/cpuinfo", "r");
    char line[256];
    double mhz = 0;
    while (in && fgets(line, sizeof line, in) && !(mhz > 0))
        if (strncmp(line, "cpu MHz", 7) == 0 && strchr(line, ':')) mhz = atof(strchr(line, ':') + 1);
    if (in) fclose(in);
    return mhz;
}

static int bits_of_list(const char *list)
{
    int n = 0, from, to, used;
    while (sscanf(list, "%d%n", &from, &used) == 1) {
        list += used;
        to = from;
        if (*list == '-' && sscanf(list + 1, "%d%n", &to, &used) == 1) list += 1 + used;
        n += to - from + 1;
        if (*list++ != ',') break;
    }
    return n;
}

static void add_caches(cJSON *context)
{
    cJSON *caches = cJSON_AddArrayToObject(context, "caches");
    for (int i = 0; i < 8; i++) {
        char path[96], line[128];
        const char *const folder = "/sys/devices/system/cpu/cpu0/cache/index";
        snprintf(path, sizeof path, "%s%d/type", folder, i);
        if (!*line_of(path, line)) continue;
        cJSON *cache = cJSON_CreateObject();
        cJSON_AddItemToArray(caches, cache);
        cJSON_AddStringToObject(cache, "type", line);
        snprintf(path, sizeof path, "%s%d/level", folder, i);
        cJSON_AddNumberToObject(cache, "level", atoi(line_of(path, line)));
        snprintf(path, sizeof path, "%s%d/size", folder, i);
        const double size = atof(line_of(path, line));
        cJSON_AddNumberToObject(cache, "size", size * (strchr(line, 'M') ? 1048576 : strchr(line, 'K') ? 1024 : 1));
        snprintf(path, sizeof path, "%s%d/shared_cpu_list", folder, i);
        cJSON_AddNumberToObject(cache, "num_sharing", bits_of_list(line_of(path, line)));
    }
}

static void add_ceilings(cJSON *context, const bench_ceilings *c)
{
    cJSON *all = cJSON_AddObjectToObject(context, "posenet_ceilings");
    cJSON_AddNumberToObject(all, "flops_1", c->flops[0]);
    cJSON_AddNumberToObject(all, "flops", c->flops[1]);
    for (int p = 0; p < BENCH_PLACES; p++) {
        char name[32];
        snprintf(name, sizeof name, "read_%s", bench_place_name[p]);
        cJSON_AddNumberToObject(all, name, c->read[p][1]);
    }
    cJSON_AddNumberToObject(all, "write_DRAM", c->write[1]);
}

static void add_context(cJSON *root, const bench_ceilings *c)
{
    cJSON *context = cJSON_AddObjectToObject(root, "context");
    char text[128] = "";
    const time_t now = time(NULL);
    struct tm local;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &local));
    cJSON_AddStringToObject(context, "date", text);
    if (gethostname(text, sizeof text)) text[0] = 0;
    text[sizeof text - 1] = 0;
    cJSON_AddStringToObject(context, "host_name", text);
    cJSON_AddStringToObject(context, "executable", "posenet-bench");
    cJSON_AddNumberToObject(context, "num_cpus", (double)sysconf(_SC_NPROCESSORS_ONLN));
    cJSON_AddNumberToObject(context, "mhz_per_cpu", megahertz());
    line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text);
    cJSON_AddBoolToObject(context, "cpu_scaling_enabled", *text && strcmp(text, "performance") != 0);
    add_caches(context);
    double load[3] = { 0 };
    const int loads = getloadavg(load, 3);
    cJSON_AddItemToObject(context, "load_avg", cJSON_CreateDoubleArray(load, loads > 0 ? loads : 0));
#ifdef __OPTIMIZE__
    cJSON_AddStringToObject(context, "library_build_type", "release");
#else
    cJSON_AddStringToObject(context, "library_build_type", "debug");
#endif
    cJSON_AddStringToObject(context, "posenet_version", pn_version());
    cJSON_AddStringToObject(context, "posenet_isa", c->isa);
    cJSON_AddNumberToObject(context, "posenet_threads", c->threads);
    add_ceilings(context, c);
}

/* ---- The rows ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    double per_second;
} units[] = { { "ns", 1e9 }, { "us", 1e6 }, { "ms", 1e3 }, { "s", 1 } };

static int unit_for(double seconds) { return seconds < 1e-6 ? 0 : seconds < 1e-3 ? 1 : seconds < 1 ? 2 : 3; }

static cJSON *row(cJSON *rows, const bench_result *r, const char *aggregate)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(rows, o);
    char name[PN_BENCH_NAME + 16];
    snprintf(name, sizeof name, "%s%s%s", r->name, aggregate ? "_" : "", aggregate ? aggregate : "");
    cJSON_AddStringToObject(o, "name", name);
    cJSON_AddStringToObject(o, "run_name", r->name);
    cJSON_AddStringToObject(o, "run_type", aggregate ? "aggregate" : "iteration");
    cJSON_AddNumberToObject(o, "repetitions", r->time.n);
    if (aggregate) {
        cJSON_AddStringToObject(o, "aggregate_name", aggregate);
        cJSON_AddStringToObject(o, "aggregate_unit", strcmp(aggregate, "cv") == 0 ? "percentage" : "time");
    }
    return o;
}

static void times(cJSON *o, int64_t iterations, double real, double cpu, const char *unit)
{
    cJSON_AddNumberToObject(o, "iterations", (double)iterations);
    cJSON_AddNumberToObject(o, "real_time", real);
    cJSON_AddNumberToObject(o, "cpu_time", cpu);
    cJSON_AddStringToObject(o, "time_unit", unit);
}

static void counters(cJSON *o, const bench_result *r, double seconds)
{
    if (!(seconds > 0)) return;
    if (r->flops > 0) cJSON_AddNumberToObject(o, "FLOPS", r->flops / seconds);
    if (r->bytes > 0) cJSON_AddNumberToObject(o, "bytes_per_second", r->bytes / seconds);
    if (r->items > 0) cJSON_AddNumberToObject(o, "items_per_second", r->items / seconds);
    if (r->plan_bytes > 0) cJSON_AddNumberToObject(o, "plan_bytes", (double)r->plan_bytes);
}

static void aggregates(cJSON *rows, const bench_result *r, const bench_stats *cpu, int u)
{
    const double per = units[u].per_second;
    const char *unit = units[u].name;
    cJSON *o = row(rows, r, "mean");
    times(o, r->time.n, per * r->time.mean, per * cpu->mean, unit);
    counters(o, r, r->time.mean);
    o = row(rows, r, "median");
    times(o, r->time.n, per * r->time.median, per * cpu->median, unit);
    counters(o, r, r->time.median);
    if (r->bound) {
        cJSON_AddStringToObject(o, "label", r->bound);
        cJSON_AddNumberToObject(o, "share_of_ceiling", r->share);
    }
    times(row(rows, r, "stddev"), r->time.n, per * r->time.deviation, per * cpu->deviation, unit);
    times(row(rows, r, "mad"), r->time.n, per * r->time.mad, per * cpu->mad, unit);
    const double cpu_share = cpu->mean > 0 ? cpu->deviation / cpu->mean : 0;
    times(row(rows, r, "cv"), r->time.n, r->time.mean > 0 ? r->time.deviation / r->time.mean : 0, cpu_share, unit);
}

static void add_result(cJSON *rows, const bench_result *r)
{
    const int u = unit_for(r->time.median);
    const bench_stats cpu = bench_stats_of(r->cpu, r->time.n);
    for (int i = 0; i < r->time.n; i++) {
        cJSON *o = row(rows, r, NULL);
        cJSON_AddNumberToObject(o, "repetition_index", i);
        cJSON_AddNumberToObject(o, "threads", 1); /* as Google Benchmark counts: callers, not our pool */
        times(o, r->iterations, units[u].per_second * r->wall[i], units[u].per_second * r->cpu[i], units[u].name);
        counters(o, r, r->wall[i]);
    }
    aggregates(rows, r, &cpu, u);
}

pn_status bench_json_write(pn_ctx *ctx, const char *path, const bench_ceilings *c, const bench_result *results, int n)
{
    cJSON *root = cJSON_CreateObject();
    add_context(root, c);
    cJSON *rows = cJSON_AddArrayToObject(root, "benchmarks");
    for (int i = 0; i < n; i++) add_result(rows, &results[i]);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    const pn_status status = text ? pn_file_write(ctx, path, text, strlen(text))
                                  : pn_ctx_fail(ctx, PN_ERR_NOMEM, "no memory for %s", path);
    cJSON_free(text);
    return status;
}
