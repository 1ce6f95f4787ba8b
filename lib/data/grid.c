/* lib/data/grid.c - which pixels an annotation file's numbers refer to; single key points from files */
#include "data/dataset.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the 256x256 grid 4.3% of fashion's x lie beyond 175, in the 256x176 grid 0.025%: counted over the published
 * files. */
enum { POINTS_NEEDED = 200 };
static const double SHARE_BEYOND = 0.01;

pn_kp_grid pn_grid_detect(const pn_annotations *a)
{
    ptrdiff_t present = 0, beyond = 0;
    for (size_t i = 0; i < a->count; i++)
        for (int j = 0; j < PN_JOINTS; j++) {
            if (!pn_pose_has(&a->rows[i].pose, j)) continue;
            present++;
            beyond += a->rows[i].pose.x[j] > 175;
        }
    if (present < POINTS_NEEDED)
        return (pn_kp_grid) { 0, 0, "fewer than 200 points: too few to tell 256x176 from 256x256" };
    if ((double)beyond > SHARE_BEYOND * (double)present)
        return (pn_kp_grid) { 256, 256, "more than 1% of x lie beyond 175" };
    return (pn_kp_grid){ 256, 176, "at most 1% of x lie beyond 175 (say --kp-size HxW if that is wrong)" };
}

/* ---- dataset.ini ------------------------------------------------------------------------------------------------ */

typedef struct { pn_ctx *ctx; const char *path; pn_dataset_ini *out; pn_status status; } settings;

static int take_setting(void *user, const char *section, const char *name, const char *value)
{
    settings *r = user;
    (void)section;
    if (strcmp(name, "parsing") == 0) {
        if (strlen(value) < sizeof r->out->parsing) {
            memcpy(r->out->parsing, value, strlen(value) + 1);
            return 1;
        }
        r->status = pn_fail(r->ctx, PN_ERR_FORMAT, "%s: parsing = %.60s is no labelling; expected lip20 or the like",
                            r->path, value);
    } else if (strcmp(name, "kp_size") == 0) {
        int h, w, used = 0;
        if (sscanf(value, "%5dx%5d%n", &h, &w, &used) == 2 && !value[used] && h > 0 && w > 0) {
            r->out->kp_height = h;
            r->out->kp_width = w;
            return 1;
        }
        r->status = pn_fail(r->ctx, PN_ERR_FORMAT, "%s: kp_size = %.60s, expected HxW, as in 256x176", r->path, value);
    } else {
        pn_ctx_log(r->ctx, PN_LOG_WARNING, "%s: unknown setting '%.60s' is ignored; known are kp_size and parsing", r->path,
               name);
        return 1;
    }
    return 0;
}

pn_status pn_dataset_ini_read(pn_ctx *ctx, const char *folder, pn_dataset_ini *out)
{
    *out = (pn_dataset_ini){ 0 };
    char *path = pn_format(ctx, "%s/dataset.ini", folder);
    if (!path) return PN_ERR_NOMEM;
    settings r = { ctx, path, out, PN_OK };
    pn_bytes file;
    if (pn_file_exists(ctx, path)) {
        r.status = pn_file_read(ctx, path, &file);
        if (!r.status) {
            const int line = ini_parse_string((const char *)file.bytes, take_setting, &r);
            pn_free(ctx, file.bytes);
            if (line > 0 && !r.status)
                r.status = pn_fail(ctx, PN_ERR_FORMAT, "%s:%d: not a 'key = value' line", path, line);
        }
    }
    pn_free(ctx, path);
    return r.status;
}

/* ---- Key points named on a command line ------------------------------------------------------------------------- */

enum { SUFFIX_MAX = 5 };
static const double CONFIDENCE = 0.1;                   /* what PATN's estimator keeps */

static bool is_json(const char *name)
{
    const size_t n = strlen(name);
    return n > SUFFIX_MAX && strcmp(name + n - SUFFIX_MAX, ".json") == 0;
}

pn_status pn_pose_from_json(pn_ctx *ctx, const char *path, pn_pose *pose)
{
    pn_bytes file;
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    status = pn_pose_json_decode(ctx, path, &file, CONFIDENCE, pose);
    pn_free(ctx, file.bytes);
    return status;
}

static char *folder_of(pn_ctx *ctx, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? pn_format(ctx, "%.*s", (int)(slash - path), path) : pn_strdup(ctx, ".");
}

pn_status pn_annotations_grid(pn_ctx *ctx, const char *path, const pn_annotations *a, ptrdiff_t grid[2])
{
    char *folder = folder_of(ctx, path);
    if (!folder) return PN_ERR_NOMEM;
    pn_dataset_ini ini;
    const pn_status status = pn_dataset_ini_read(ctx, folder, &ini);
    pn_free(ctx, folder);
    const pn_kp_grid found = ini.kp_height ? (pn_kp_grid) { ini.kp_height, ini.kp_width, "dataset.ini says so" }
                                           : pn_grid_detect(a);
    if (!status && found.height)
        pn_ctx_log(ctx, PN_LOG_INFO, "%s: key points on a grid of %tdx%td: %s", path, found.height, found.width, found.why);
    grid[0] = found.height;
    grid[1] = found.width;
    return status;
}

static pn_status pose_from_csv(pn_ctx *ctx, const char *path, const char *image, pn_pose *pose, ptrdiff_t grid[2])
{
    pn_bytes file;
    pn_annotations a;
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    status = pn_annotations_parse(ctx, path, &file, NULL, &a);
    pn_free(ctx, file.bytes);
    if (status) return status;
    size_t i = 0;
    while (i < a.count && strcmp(a.rows[i].name, image) != 0) i++;
    if (i == a.count)
        status = pn_fail(ctx, PN_ERR_FORMAT,
                         "%s has no row for '%s' among its %zu; names are written as in the file, e.g. '%s'", path,
                         image, a.count, a.count ? a.rows[0].name : "a.jpg");
    else *pose = a.rows[i].pose;
    if (!status) status = pn_annotations_grid(ctx, path, &a, grid);
    pn_annotations_free(&a);
    return status;
}

pn_status pn_pose_read(pn_ctx *ctx, const char *kp, pn_pose *pose, ptrdiff_t grid[2])
{
    grid[0] = grid[1] = 0;
    if (is_json(kp)) return pn_pose_from_json(ctx, kp, pose);
    const char *split = strstr(kp, ".csv:");
    if (!split)
        return pn_fail(ctx, PN_ERR_ARG, "key points '%s': expected file.json or file.csv:image-name", kp);
    char *path = pn_format(ctx, "%.*s", (int)(split + 4 - kp), kp);
    if (!path) return PN_ERR_NOMEM;
    const pn_status status = pose_from_csv(ctx, path, split + 5, pose, grid);
    pn_free(ctx, path);
    return status;
}

/* ---- JSON to CSV ------------------------------------------------------------------------------------------------ */

static pn_status put_row(pn_writer *w, const char *name, const pn_pose *pose)
{
    char row[2048];
    int used = 0;
    for (int axis = 0; axis < 2; axis++)
        for (int j = 0; j < PN_JOINTS; j++) {
            const double v = axis ? pose->x[j] : pose->y[j];
            const double held = v < -1e8 ? -1e8 : v > 1e8 ? 1e8 : v;
            used += snprintf(row + used, sizeof row - (size_t)used, "%s%lld%s", j ? ", " : ": [",
                             pn_pose_has(pose, j) ? (long long)held : -1LL, j == PN_JOINTS - 1 ? "]" : "");
        }
    pn_writer_put(w, name, strlen(name));
    pn_writer_put(w, row, (size_t)used);
    return pn_writer_put(w, "\n", 1);
}

/* "dir/x_keypoints.json" is of the picture "x.jpg" */
static char *picture_of(pn_ctx *ctx, const char *json)
{
    const char *slash = strrchr(json, '/'), *stem = slash ? slash + 1 : json;
    size_t n = strlen(stem);
    if (n > 5 && strcmp(stem + n - 5, ".json") == 0) n -= 5;
    if (n > 10 && strncmp(stem + n - 10, "_keypoints", 10) == 0) n -= 10;
    return pn_format(ctx, "%.*s.jpg", (int)n, stem);
}

static pn_status put_file(pn_ctx *ctx, pn_writer *w, const char *path, size_t *rows)
{
    pn_bytes file;
    pn_pose_list list;
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    status = pn_pose_json_list(ctx, path, &file, CONFIDENCE, &list);
    pn_free(ctx, file.bytes);
    if (status) return status;
    char *own = picture_of(ctx, path);
    if (!own) status = PN_ERR_NOMEM;
    pn_pose empty;
    pn_pose_clear(&empty);
    if (!status && !list.count) { /* nobody: a row all the same, so that it is not "unannotated" */
        status = put_row(w, own, &empty);
        ++*rows;
    }
    for (size_t i = 0; !status && i < list.count; i++, ++*rows)
        status = put_row(w, list.person[i].image ? list.person[i].image : own, &list.person[i].pose);
    pn_free(ctx, own);
    pn_pose_list_free(ctx, &list);
    return status;
}

/* A file, or the .json files of a folder in the order of their names. */
static pn_status put_path(pn_ctx *ctx, pn_writer *w, const char *path, size_t *rows)
{
    if (!pn_folder_exists(ctx, path)) return put_file(ctx, w, path, rows);
    pn_names names;
    pn_status status = pn_folder_files(ctx, path, ".json", &names);
    if (status) return status;
    for (size_t i = 0; !status && i < names.count; i++) {
        char *file = pn_format(ctx, "%s/%s", path, names.name[i]);
        status = file ? put_file(ctx, w, file, rows) : PN_ERR_NOMEM;
        pn_free(ctx, file);
    }
    pn_names_free(ctx, &names);
    return status;
}

pn_status pn_pose_json_to_csv(pn_ctx *ctx, const char *const *json, size_t count, const char *csv, size_t *rows)
{
    pn_writer w;
    pn_status status = pn_writer_begin(&w, ctx, csv);
    if (status) return status;
    static const char header[] = "name:keypoints_y:keypoints_x\n";
    size_t made = 0;
    status = pn_writer_put(&w, header, sizeof header - 1);
    for (size_t i = 0; !status && i < count; i++) status = put_path(ctx, &w, json[i], &made);
    if (status) {
        pn_writer_cancel(&w);
        return status;
    }
    status = pn_writer_commit(&w);
    if (!status) *rows = made;
    return status;
}
