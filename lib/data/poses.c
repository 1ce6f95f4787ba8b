/* lib/data/poses.c - key points of a sequence: a folder of files, or a list; contracts in posenet/data.h and clips.h */
#include "data/clips.h"
#include "data/dataset.h"

#include <string.h>

struct pn_poses {
    pn_ctx *ctx;
    char *path;                         /* NULL: names are paths */
    pn_names files;                     /* of a folder */
    bool landmarks;                     /* they are .txt */
    pn_annotations rows;                /* of a file */
    ptrdiff_t grid[2];
};

static pn_status list_files(pn_poses *p)
{
    pn_status status = pn_folder_files(p->ctx, p->path, ".json", &p->files);
    if (!status && !p->files.count) {
        pn_names_free(p->ctx, &p->files);
        status = pn_folder_files(p->ctx, p->path, ".txt", &p->files);
        p->landmarks = true;
    }
    if (!status && !p->files.count)
        status = pn_fail(p->ctx, PN_ERR_FORMAT,
                         "%s holds no .json file of key points, and no .txt file of landmarks; expected one for each frame", p->path);
    return status;
}

static pn_status read_rows(pn_poses *p)
{
    pn_bytes file;
    pn_status status = pn_file_read(p->ctx, p->path, &file);
    if (status) return status;
    status = pn_annotations_parse(p->ctx, p->path, &file, NULL, &p->rows);
    pn_free(p->ctx, file.bytes);
    if (!status && !p->rows.count) status = pn_fail(p->ctx, PN_ERR_FORMAT, "%s has no row of key points", p->path);
    return status ? status : pn_annotations_grid(p->ctx, p->path, &p->rows, p->grid);
}

static bool ends_in(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

pn_poses *pn_poses_open(pn_ctx *ctx, const char *path)
{
    pn_poses *p = pn_alloc(ctx, 1, sizeof *p);
    if (!p) return NULL;
    p->ctx = ctx;
    p->path = pn_strdup(ctx, path);
    pn_status status = PN_ERR_NOMEM;
    if (p->path && pn_folder_exists(ctx, path)) status = list_files(p);
    else if (p->path && ends_in(path, ".csv")) status = read_rows(p);
    else if (p->path)
        status = pn_fail(ctx, PN_ERR_ARG, "key points '%s': expected a folder of .json files, or an annotation file.csv%s", path,
                         ends_in(path, ".json") ? "; posenet-data keypoints makes one" : "");
    if (!status) return p;
    pn_poses_free(p);
    return NULL;
}

static pn_status copy_names(pn_poses *p, const char *const *path, ptrdiff_t count)
{
    p->files.name = pn_alloc(p->ctx, (size_t)count, sizeof *p->files.name);
    for (ptrdiff_t i = 0; p->files.name && i < count; i++, p->files.count++)
        if (!(p->files.name[i] = pn_strdup(p->ctx, path[i]))) return PN_ERR_NOMEM;
    return p->files.name ? PN_OK : PN_ERR_NOMEM;
}

pn_poses *pn_poses_of_files(pn_ctx *ctx, const char *const *path, ptrdiff_t count)
{
    if (count < 1) {
        pn_fail(ctx, PN_ERR_ARG, "pn_poses_of_files: %td files, expected one for each frame", count);
        return NULL;
    }
    pn_poses *p = pn_alloc(ctx, 1, sizeof *p);
    if (!p) return NULL;
    p->ctx = ctx;
    p->landmarks = ends_in(path[0], ".txt");
    if (!copy_names(p, path, count)) return p;
    pn_poses_free(p);
    return NULL;
}

void pn_poses_free(pn_poses *p)
{
    if (!p) return;
    pn_names_free(p->ctx, &p->files);
    pn_annotations_free(&p->rows);
    pn_free(p->ctx, p->path);
    pn_free(p->ctx, p);
}

ptrdiff_t pn_poses_count(const pn_poses *p) { return (ptrdiff_t)(p->rows.count + p->files.count); }

const char *pn_poses_name(const pn_poses *p, ptrdiff_t i) { return p->rows.count ? p->rows.rows[i].name : p->files.name[i]; }

/* The path of frame i, NULL and an error where there is none, or it is no file, or one of the other kind. */
static char *file_of(const pn_poses *p, ptrdiff_t i, bool landmarks)
{
    if (i < 0 || i >= pn_poses_count(p)) {
        pn_fail(p->ctx, PN_ERR_ARG, "pn_poses: there is no frame %td of %td", i, pn_poses_count(p));
        return NULL;
    }
    if (p->landmarks == landmarks && p->files.count)
        return p->path ? pn_format(p->ctx, "%s/%s", p->path, p->files.name[i]) : pn_strdup(p->ctx, p->files.name[i]);
    pn_fail(p->ctx, PN_ERR_FORMAT,
            landmarks ? "%s holds key points of a body, and landmarks of a face are asked for: a folder of .txt files, 68 lines x,y each"
                      : "%s holds landmarks of a face, and key points of a body are asked for: a folder of .json files",
            p->path ? p->path : pn_poses_name(p, i));
    return NULL;
}

static pn_status row_of(const pn_poses *p, ptrdiff_t i, pn_pose *pose)
{
    if (i < 0 || i >= pn_poses_count(p))
        return pn_fail(p->ctx, PN_ERR_ARG, "pn_poses: there is no frame %td of %td", i, pn_poses_count(p));
    *pose = p->rows.rows[i].pose;
    return PN_OK;
}

pn_status pn_poses_get(const pn_poses *p, ptrdiff_t i, pn_pose *pose, ptrdiff_t grid[2])
{
    grid[0] = p->grid[0];
    grid[1] = p->grid[1];
    if (p->rows.count) return row_of(p, i, pose);
    char *file = file_of(p, i, false);
    const pn_status status = file ? pn_pose_from_json(p->ctx, file, pose) : pn_ctx_status(p->ctx);
    pn_free(p->ctx, file);
    return status;
}

/* Seventeen points, which are Human3.6M's; false: it holds something else, or cannot be read. */
static bool read_clean(pn_ctx *ctx, const char *path, pn_pose17 *out)
{
    pn_bytes file;
    double points[PN_JOINTS17][3];
    if (pn_file_read(ctx, path, &file)) return false;
    const pn_status status = pn_points_json_decode(ctx, path, &file, PN_JOINTS17, points);
    pn_free(ctx, file.bytes);
    if (!status) *out = pn_clean_of(points);
    return !status;
}

pn_status pn_poses_driving(const pn_poses *p, ptrdiff_t i, pn_pose17 *out, ptrdiff_t grid[2])
{
    char *file = p->files.count ? file_of(p, i, false) : NULL;
    if (p->files.count && !file) return pn_ctx_status(p->ctx);
    grid[0] = p->grid[0];
    grid[1] = p->grid[1];
    const bool clean = file && read_clean(p->ctx, file, out);
    pn_free(p->ctx, file);
    if (clean) return PN_OK;
    pn_pose pose;
    const pn_status status = pn_poses_get(p, i, &pose, grid);
    if (!status) *out = pn_pose17_h36m_from_18(&pose);
    return status;
}

pn_status pn_poses_landmarks(const pn_poses *p, ptrdiff_t i, pn_landmarks *out)
{
    char *file = file_of(p, i, true);
    const pn_status status = file ? pn_landmarks_read(p->ctx, file, out) : pn_ctx_status(p->ctx);
    pn_free(p->ctx, file);
    return status;
}
