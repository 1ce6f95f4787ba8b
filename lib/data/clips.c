/* lib/data/clips.c - a split's clips: folders of frames and of what belongs to them; contract in posenet/clips.h */
#include "data/clips.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Layouts ---------------------------------------------------------------------------------------------------- */

/* %s: the split; also: another spelling */
typedef struct { const char *folder, *endings; bool needed; const char *also; } part_layout;

static const part_layout layouts[][PN_PARTS] = {
    [PN_CLIPS_DANCE] = { { "%s_256/train_A", ".png .jpg .jpeg", true, NULL },
                         { "%s_256/train_alphapose", ".json", true, NULL },
                         { "%s_256/train_video2d", ".json", false, NULL },
                         { "%s_256/train_C", ".png", false, NULL } },
    [PN_CLIPS_FACE] = { { "%s_data", ".png .jpg .jpeg", true, NULL }, { "%s_keypoints", ".txt", true, "%s_keypoint" } },
};

static pn_status part_folder(pn_clips *c, const char *root, const char *split, const part_layout *layout, char **out)
{
    for (int i = 0; i < (layout->also ? 2 : 1); i++) {
        char inner[128];
        snprintf(inner, sizeof inner, i ? layout->also : layout->folder, split);
        char *path = pn_format(c->ctx, "%s/%s", root, inner);
        if (!path) return PN_ERR_NOMEM;
        if (i && !pn_folder_exists(c->ctx, path)) {     /* the first spelling is told to be missing */
            pn_free(c->ctx, path);
            break;
        }
        pn_free(c->ctx, *out);
        *out = path;
        if (pn_folder_exists(c->ctx, path)) break;
    }
    return PN_OK;
}

static pn_status open_part(pn_clips *c, const char *root, const part_layout *layout, ptrdiff_t clip, pn_part part)
{
    pn_clip_files *files = &c->files[clip];
    char *path = pn_format(c->ctx, "%s/%s", root, c->clip[clip].name);
    if (!path) return PN_ERR_NOMEM;
    if (!pn_folder_exists(c->ctx, path)) {
        pn_status status = PN_OK;
        if (layout->needed)
            status = pn_fail(c->ctx, PN_ERR_FORMAT, "%s is no folder; the clip %s needs one there, a file for every frame",
                             path, c->clip[clip].name);
        pn_free(c->ctx, path);
        return status;
    }
    files->folder[part] = pn_arena_strdup(&c->arena, path);
    pn_status status = files->folder[part] ? pn_folder_files(c->ctx, path, layout->endings, &files->file[part]) : PN_ERR_NOMEM;
    if (!status && part == PN_PART_FRAMES) c->clip[clip].frames = (ptrdiff_t)files->file[part].count;
    if (!status && c->clip[clip].frames == 0)
        status = pn_fail(c->ctx, PN_ERR_FORMAT, "%s has no frame (%s)", path, layout->endings);
    if (!status && (ptrdiff_t)files->file[part].count != c->clip[clip].frames)
        status = pn_fail(c->ctx, PN_ERR_FORMAT,
                         "%s has %zu files for the %td frames of its clip; add what is missing or take frames out", path,
                         files->file[part].count, c->clip[clip].frames);
    pn_free(c->ctx, path);
    return status;
}

/* Without the part, when that is told and the rest is looked at all the same; of a clip without frames nothing is. */
static pn_status open_some_part(pn_clips *c, const char *root, const part_layout *layout, ptrdiff_t clip, pn_part part)
{
    if (c->problems && part != PN_PART_FRAMES && !c->clip[clip].frames) return PN_OK;
    const pn_status status = open_part(c, root, layout, clip, part);
    if (status) c->files[clip].folder[part] = NULL;
    return pn_bad_row(c->ctx, c->problems, status);
}

/* ---- Opening ---------------------------------------------------------------------------------------------------- */

static pn_status name_clips(pn_clips *c, const char *root)
{
    pn_names names;
    if (!pn_folder_exists(c->ctx, root))
        return pn_fail(c->ctx, PN_ERR_IO,
                       "%s is no folder; expected a folder of frames for every clip in it (posenet-data synth --kind makes "
                       "some)", root);
    pn_status status = pn_folder_list(c->ctx, root, &names);
    if (status) return status;
    c->clip = pn_alloc(c->ctx, names.count, sizeof *c->clip);
    c->files = pn_alloc(c->ctx, names.count, sizeof *c->files);
    if (!c->clip || !c->files) status = PN_ERR_NOMEM;
    for (size_t i = 0; !status && i < names.count; i++) {
        char *path = pn_format(c->ctx, "%s/%s", root, names.name[i]);
        if (!path) status = PN_ERR_NOMEM;
        else if (pn_folder_exists(c->ctx, path)) {
            c->clip[c->count].name = pn_arena_strdup(&c->arena, names.name[i]);
            if (!c->clip[c->count].name) status = PN_ERR_NOMEM;
            else c->count++;
        }
        pn_free(c->ctx, path);
    }
    pn_names_free(c->ctx, &names);
    if (!status && !c->count)
        status = pn_fail(c->ctx, PN_ERR_FORMAT, "%s has no clip; expected a folder of frames for each", root);
    return status;
}

static pn_status open_all(pn_clips *c, const char *folder, const char *split)
{
    pn_status status = PN_OK;
    for (int part = 0; part < PN_PARTS && !status; part++) {
        const part_layout *layout = &layouts[c->kind][part];
        char *root = NULL;
        if (!layout->folder) continue;
        status = part_folder(c, folder, split, layout, &root);
        if (!status && part == PN_PART_FRAMES) status = name_clips(c, root);
        for (ptrdiff_t i = 0; i < c->count && !status; i++) status = open_some_part(c, root, layout, i, (pn_part)part);
        pn_free(c->ctx, root);
    }
    c->masks = true;
    for (ptrdiff_t i = 0; i < c->count; i++) c->masks &= c->files[i].folder[PN_PART_MASKS] != NULL;
    return status;
}

pn_status pn_clips_begin(pn_ctx *ctx, const char *folder, const char *split, const pn_clips_opt *opt, pn_problems *problems,
                         pn_clips **out)
{
    *out = NULL;
    pn_clips *c = pn_alloc(ctx, 1, sizeof *c);
    if (!c) return PN_ERR_NOMEM;
    c->problems = problems;
    c->ctx = c->arena.ctx = ctx;
    c->kind = opt->kind;
    c->kp_height = opt->kp_height;
    c->kp_width = opt->kp_width;
    pn_dataset_ini ini;
    pn_status status = pn_dataset_ini_read(ctx, folder, &ini);
    if (!status && c->kp_height <= 0) {
        c->kp_height = ini.kp_height;
        c->kp_width = ini.kp_width;
    }
    if (!status) status = open_all(c, folder, split);
    if (status) pn_clips_free(c);
    else *out = c;
    return status;
}

pn_clips *pn_clips_open(pn_ctx *ctx, const char *folder, const char *split, const pn_clips_opt *opt)
{
    pn_clips *c;
    return pn_clips_begin(ctx, folder, split, opt, NULL, &c) ? NULL : c;
}

void pn_clips_free(pn_clips *c)
{
    if (!c) return;
    for (ptrdiff_t i = 0; i < c->count; i++)
        for (int p = 0; p < PN_PARTS; p++) pn_names_free(c->ctx, &c->files[i].file[p]);
    pn_free(c->ctx, c->clip);
    pn_free(c->ctx, c->files);
    pn_arena_free(&c->arena);
    pn_free(c->ctx, c);
}

ptrdiff_t pn_clips_count(const pn_clips *c) { return c->count; }
const pn_clip *pn_clips_clip(const pn_clips *c, ptrdiff_t i) { return &c->clip[i]; }
int pn_clips_channels(const pn_clips *c) { return c->kind == PN_CLIPS_FACE ? PN_FACE_CHANNELS : PN_DANCE_CHANNELS; }
bool pn_clips_masks(const pn_clips *c) { return c->masks; }

/* ---- Key points of a frame -------------------------------------------------------------------------------------- */

char *pn_clips_path(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame, pn_part part)
{
    const pn_clip_files *f = &c->files[clip];
    return pn_format(ctx, "%s/%s", f->folder[part], f->file[part].name[frame]);
}

static pn_status check_place(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame, pn_part part)
{
    if (clip < 0 || clip >= c->count)
        return pn_fail(ctx, PN_ERR_ARG, "pn_clips: clip is %td, expected 0 to %td", clip, c->count - 1);
    if (frame < 0 || frame >= c->clip[clip].frames)
        return pn_fail(ctx, PN_ERR_ARG, "pn_clips: frame is %td, expected 0 to %td, those of %s", frame,
                       c->clip[clip].frames - 1, c->clip[clip].name);
    if (c->files[clip].folder[part]) return PN_OK;
    if (part == PN_PART_CLEAN)
        return pn_fail(ctx, PN_ERR_FORMAT,
                       "the clip %s has no clean key points (train_video2d), and frames that are to be made follow them; "
                       "clean its noisy ones first", c->clip[clip].name);
    return pn_fail(ctx, PN_ERR_FORMAT, "the clip %s has no masks (train_C), and they are asked for", c->clip[clip].name);
}

pn_status pn_clips_points(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame, pn_part part, double (*points)[3])
{
    if (c->kind == PN_CLIPS_FACE)
        return pn_fail(ctx, PN_ERR_ARG, "pn_clips: key points of a body are asked for, and the clips are faces");
    pn_status status = check_place(c, ctx, clip, frame, part);
    if (status) return status;
    char *path = pn_clips_path(c, ctx, clip, frame, part);
    pn_bytes file = { 0 };
    status = path ? pn_file_read(ctx, path, &file) : PN_ERR_NOMEM;
    if (!status)
        status = pn_points_json_decode(ctx, path, &file, part == PN_PART_CLEAN ? PN_JOINTS17 : PN_JOINTS, points);
    pn_free(ctx, file.bytes);
    pn_free(ctx, path);
    return status;
}

/* In these files what is missing is 0, 0. */
static void point_of(const double point[3], double *x, double *y)
{
    const bool missing = point[0] == 0.0 && point[1] == 0.0;
    *x = missing ? -1.0 : pn_pose_present(point[0]);
    *y = missing ? -1.0 : pn_pose_present(point[1]);
}

pn_pose17 pn_clean_of(double (*points)[3])
{
    pn_pose17 out;
    for (int j = 0; j < PN_JOINTS17; j++) point_of(points[j], &out.x[j], &out.y[j]);
    return out;
}

pn_pose pn_noisy_of(double (*points)[3])
{
    pn_pose out;
    for (int j = 0; j < PN_JOINTS; j++) point_of(points[j], &out.x[j], &out.y[j]);
    return out;
}

pn_status pn_clips_clean(const pn_clips *c, ptrdiff_t clip, ptrdiff_t frame, pn_pose17 *out)
{
    double points[PN_JOINTS17][3];
    const pn_status status = pn_clips_points(c, c->ctx, clip, frame, PN_PART_CLEAN, points);
    if (!status) *out = pn_clean_of(points);
    return status;
}

pn_status pn_clips_noisy(const pn_clips *c, ptrdiff_t clip, ptrdiff_t frame, pn_pose *out)
{
    double points[PN_JOINTS][3];
    const pn_status status = pn_clips_points(c, c->ctx, clip, frame, PN_PART_NOISY, points);
    if (!status) *out = pn_noisy_of(points);
    return status;
}

pn_status pn_clips_landmarks_read(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame, pn_landmarks *out)
{
    if (c->kind != PN_CLIPS_FACE)
        return pn_fail(ctx, PN_ERR_ARG, "pn_clips_landmarks: landmarks are asked for, and the clips are bodies");
    pn_status status = check_place(c, ctx, clip, frame, PN_PART_NOISY);
    if (status) return status;
    char *path = pn_clips_path(c, ctx, clip, frame, PN_PART_NOISY);
    status = path ? pn_landmarks_read(ctx, path, out) : PN_ERR_NOMEM;
    pn_free(ctx, path);
    return status;
}

pn_status pn_clips_landmarks(const pn_clips *c, ptrdiff_t clip, ptrdiff_t frame, pn_landmarks *out)
{
    return pn_clips_landmarks_read(c, c->ctx, clip, frame, out);
}

pn_status pn_clips_grid(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame, double grid[2])
{
    ptrdiff_t height = c->kp_height, width = c->kp_width;
    if (height <= 0) {
        char *path = pn_clips_path(c, ctx, clip, frame, PN_PART_FRAMES);
        const pn_status status = path ? pn_image_size_read(ctx, path, &height, &width) : PN_ERR_NOMEM;
        pn_free(ctx, path);
        if (status) return status;
    }
    grid[0] = (double)height;
    grid[1] = (double)width;
    return PN_OK;
}

/* ---- A frame ---------------------------------------------------------------------------------------------------- */

static pn_status load_image(const pn_clips *c, pn_ctx *ctx, const pn_frame_request *r, pn_part part, pn_image *out)
{
    pn_image read, sized;
    const bool frames = part == PN_PART_FRAMES;
    pn_status status = check_place(c, ctx, r->clip, r->frame, part);
    char *path = status ? NULL : pn_clips_path(c, ctx, r->clip, r->frame, part);
    if (!status && !path) status = PN_ERR_NOMEM;
    if (!status) status = frames ? pn_image_read(ctx, path, &read) : pn_labels_read(ctx, path, &read);
    pn_free(ctx, path);
    if (status) return status;
    status = pn_image_resize(ctx, &read, r->height, r->width, frames ? PN_FILTER_CUBIC : PN_FILTER_NEAREST, &sized);
    pn_image_free(ctx, &read);
    if (status || !r->motion) {
        if (!status) *out = sized;
        return status;
    }
    status = pn_image_new(ctx, r->height, r->width, frames ? 3 : 1, out);
    if (!status) pn_motion_image(r->motion, &sized, frames ? 255 : 0, out);     /* white around, and nobody there */
    pn_image_free(ctx, &sized);
    return status;
}

static pn_status load_mask(const pn_clips *c, pn_ctx *ctx, const pn_frame_request *r)
{
    pn_image mask;
    const pn_status status = load_image(c, ctx, r, PN_PART_MASKS, &mask);
    if (status) return status;
    for (ptrdiff_t i = 0; i < r->height * r->width; i++) r->mask[i] = mask.pixels[i] ? 1.0f : 0.0f;
    pn_image_free(ctx, &mask);
    return PN_OK;
}

static pn_status dance_structure(const pn_clips *c, pn_ctx *ctx, const pn_frame_request *r)
{
    const bool drives = r->role == PN_DRIVING;
    double points[PN_JOINTS][3], grid[2];
    pn_status status = pn_clips_points(c, ctx, r->clip, r->frame, drives ? PN_PART_CLEAN : PN_PART_NOISY, points);
    if (!status) status = pn_clips_grid(c, ctx, r->clip, r->frame, grid);
    if (status) return status;
    const pn_pose noisy = pn_noisy_of(points);
    pn_pose17 pose = drives ? pn_clean_of(points) : pn_pose17_from_18(&noisy);
    pose = pn_pose17_scale(&pose, grid[0], grid[1], (double)r->height, (double)r->width);
    for (int j = 0; r->motion && j < PN_JOINTS17; j++) {
        if (!pn_pose17_has(&pose, j)) continue;
        pn_motion_point(r->motion, &pose.x[j], &pose.y[j], r->height, r->width);
        pose.x[j] = pn_pose_present(trunc(pose.x[j]));  /* what was moved is whole pixels */
        pose.y[j] = pn_pose_present(trunc(pose.y[j]));
    }
    return pn_pose17_maps(ctx, &pose, drives ? PN_H36M17 : PN_COCO17, r->height, r->width, 6.0, r->structure);
}

static pn_status face_structure(const pn_clips *c, pn_ctx *ctx, const pn_frame_request *r, const pn_image *picture)
{
    double grid[2];
    pn_landmarks landmarks;
    pn_status status = pn_clips_landmarks_read(c, ctx, r->clip, r->frame, &landmarks);
    if (!status) status = pn_clips_grid(c, ctx, r->clip, r->frame, grid);
    if (status) return status;
    landmarks = pn_landmarks_scale(&landmarks, grid[0], grid[1], (double)r->height, (double)r->width);
    return pn_face_maps(ctx, &landmarks, picture, r->structure);
}

pn_status pn_clips_load(const pn_clips *c, pn_ctx *ctx, const pn_frame_request *r)
{
    pn_image picture = { 0 };
    pn_status status = check_place(c, ctx, r->clip, r->frame, PN_PART_FRAMES);
    if (!status) status = pn_picture_size_check(ctx, "pn_clips_frame", r->height, r->width);
    const bool face = c->kind == PN_CLIPS_FACE, looks = r->picture || (face && r->structure);
    if (!status && looks) status = load_image(c, ctx, r, PN_PART_FRAMES, &picture);
    if (!status && r->picture) pn_image_to_floats(&picture, r->picture);
    if (!status && r->structure) status = face ? face_structure(c, ctx, r, &picture) : dance_structure(c, ctx, r);
    if (!status && r->mask) status = load_mask(c, ctx, r);
    pn_image_free(ctx, &picture);
    return status;
}

pn_status pn_clips_frame(const pn_clips *c, ptrdiff_t clip, ptrdiff_t frame, pn_frame_role role, ptrdiff_t height,
                         ptrdiff_t width, float *picture, float *structure, float *mask)
{
    return pn_clips_load(c, c->ctx, &(pn_frame_request){ clip, frame, role, height, width, NULL, picture, structure, mask });
}
