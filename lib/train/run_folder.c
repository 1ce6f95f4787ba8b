/* lib/train/run_folder.c - the folder a training writes: configuration, log, samples, checkpoints */
#include "train/run_folder.h"
#include "core/context.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pn_run_path(pn_run_folder *run, const char *format, ...)
{
    char name[160];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    char *path = pn_format(run->ctx, "%s/%s", run->path, name);
    if (!path) return NULL;
    pn_free(run->ctx, run->asked);
    return run->asked = path;
}

const char *pn_run_sample_path(pn_run_folder *run, int64_t step) { return pn_run_path(run, "samples/step_%07" PRId64 ".png", step); }

const char *pn_run_checkpoint_path(pn_run_folder *run, int64_t step)
{
    return pn_run_path(run, "checkpoints/step_%07" PRId64 ".safetensors", step);
}

/* Zero-padded numbers sort as text until there are more than seven digits: compare as numbers. */
static int64_t step_of(const char *name)
{
    int64_t step;
    int end = 0;
    if (sscanf(name, "step_%" SCNd64 ".safetensors%n", &step, &end) != 1 || !end || name[end]) return -1;
    return step;
}

const char *pn_run_latest(pn_run_folder *run)
{
    const char *folder = pn_run_path(run, "checkpoints");
    pn_names names;
    if (!folder || !pn_folder_exists(run->ctx, folder) || pn_folder_list(run->ctx, folder, &names)) return NULL;
    int64_t best = -1;
    for (size_t i = 0; i < names.count; i++)
        if (step_of(names.name[i]) > best) best = step_of(names.name[i]);
    pn_names_free(run->ctx, &names);
    return best < 0 ? NULL : pn_run_checkpoint_path(run, best);
}

/* ---- Opening ------------------------------------------------------------------------------------------------------------ */

static pn_status make_folders(pn_run_folder *run)
{
    static const char *const inner[] = { "samples", "checkpoints" };
    pn_status status = pn_folder_make(run->ctx, run->path);
    for (size_t i = 0; !status && i < sizeof inner / sizeof *inner; i++) {
        const char *path = pn_run_path(run, "%s", inner[i]);
        status = path ? pn_folder_make(run->ctx, path) : PN_ERR_NOMEM;
    }
    return status;
}

static pn_status begin(pn_run_folder *run, pn_run_mode mode)
{
    const char *latest = pn_run_latest(run);
    if (mode == PN_RUN_NEW && latest)
        return pn_fail(run->ctx, PN_ERR_ARG, "%s holds a run already (%s); go on with --resume, or choose another folder", run->path,
                       latest);
    if (mode == PN_RUN_RESUME && !latest)
        return pn_fail(run->ctx, PN_ERR_ARG, "%s holds no checkpoint to resume from; start without --resume", run->path);
    if (mode == PN_RUN_RESUME) return PN_OK;
    pn_status status = make_folders(run);
    pn_text header = { .ctx = run->ctx };
    pn_text_add(&header, "step,stage,seconds");
    for (int i = 0; i < run->losses; i++) pn_text_add(&header, ",%s", run->loss[i]);
    pn_text_add(&header, "\n");
    const char *csv = pn_run_path(run, "train.csv");
    if (!status) status = header.status ? header.status : csv ? pn_file_write(run->ctx, csv, header.text, header.size) : PN_ERR_NOMEM;
    pn_text_free(&header);
    return status;
}

pn_run_folder *pn_run_open(pn_ctx *ctx, const char *path, pn_run_mode mode, const char *const losses[], int n_losses)
{
    pn_run_folder *run = pn_alloc(ctx, 1, sizeof *run);
    if (!run) return NULL;
    run->ctx = ctx;
    run->path = pn_strdup(ctx, path);
    bool ok = run->path && n_losses <= PN_RUN_LOSSES;
    for (int i = 0; ok && i < n_losses; i++) ok = (run->loss[run->losses++] = pn_strdup(ctx, losses[i])) != NULL;
    if (ok && !begin(run, mode)) return run;
    pn_run_close(run);
    return NULL;
}

void pn_run_close(pn_run_folder *run)
{
    if (!run) return;
    for (int i = 0; i < run->losses; i++) pn_free(run->ctx, run->loss[i]);
    pn_free(run->ctx, run->asked);
    pn_free(run->ctx, run->path);
    pn_free(run->ctx, run);
}

/* ---- Writing --------------------------------------------------------------------------------------------------------------- */

pn_status pn_run_config(pn_run_folder *run, const pn_note lines[], int n)
{
    pn_text t = { .ctx = run->ctx };
    for (int i = 0; i < n; i++) pn_text_add(&t, "%s = %s\n", lines[i].key, lines[i].value);
    const char *path = pn_run_path(run, "config.ini");
    const pn_status status = t.status ? t.status : path ? pn_file_write(run->ctx, path, t.text, t.size) : PN_ERR_NOMEM;
    pn_text_free(&t);
    return status;
}

pn_status pn_run_log(pn_run_folder *run, int64_t step, const char *stage, double seconds, const char *const name[],
                     const double value[], int n)
{
    char line[1024];
    size_t used = (size_t)snprintf(line, sizeof line, "%" PRId64 ",%s,%.3f", step, stage, seconds);
    for (int i = 0; i < run->losses && used < sizeof line - 40; i++) {
        line[used++] = ',';
        line[used] = 0;
        for (int k = 0; k < n; k++)
            if (strcmp(name[k], run->loss[i]) == 0) used += (size_t)snprintf(line + used, sizeof line - used, "%.7g", value[k]);
    }
    line[used++] = '\n';
    const char *path = pn_run_path(run, "train.csv");
    return path ? pn_file_append(run->ctx, path, line, used) : PN_ERR_NOMEM;
}

/* NAME.tmp123: what a killed process was writing. Whatever cannot be removed stays. */
static void remove_leftovers(pn_run_folder *run, const char *inner)
{
    pn_names names;
    const char *folder = pn_run_path(run, "%s", inner);
    if (!folder || pn_folder_list(run->ctx, folder, &names)) return;
    for (size_t i = 0; i < names.count; i++) {
        const char *end = strrchr(names.name[i], '.');
        if (!end || strncmp(end, ".tmp", 4) != 0 || !end[4] || end[4 + strspn(end + 4, "0123456789")]) continue;
        const char *path = pn_run_path(run, "%s/%s", inner, names.name[i]);
        if (path) run->ctx->files.remove(run->ctx->files.user, path);
    }
    pn_names_free(run->ctx, &names);
}

pn_status pn_run_rewind(pn_run_folder *run, int64_t step)
{
    static const char *const inner[] = { ".", "samples", "checkpoints" };
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) remove_leftovers(run, inner[i]);
    pn_bytes file;
    const char *path = pn_run_path(run, "train.csv");
    if (!path) return PN_ERR_NOMEM;
    pn_status status = pn_file_read(run->ctx, path, &file);
    if (status) return status;
    const char *text = (const char *)file.bytes, *end = strchr(text, '\n');
    while (end && end[1]) {
        const char *line = end + 1;
        if (strtoll(line, NULL, 10) > step) break;
        const char *next = strchr(line, '\n');
        if (!next) break;                               /* a row cut off by a kill */
        end = next;
    }
    status = pn_file_write(run->ctx, path, text, end ? (size_t)(end + 1 - text) : 0);
    pn_free(run->ctx, file.bytes);
    return status;
}
