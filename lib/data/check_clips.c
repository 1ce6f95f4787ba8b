/* lib/data/check_clips.c - read a folder of clips: frames, key points or landmarks, masks; contract in posenet/data.h */
#include "data/check.h"
#include "data/clips.h"

#include <string.h>

typedef struct { const pn_clips *clips; const ptrdiff_t *first; } job;         /* [clips] item of its first frame */

static pn_status look_at_mask(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame, const pn_finding *f)
{
    pn_image mask;
    char *path = pn_clips_path(c, ctx, clip, frame, PN_PART_MASKS);
    pn_status status = path ? pn_labels_read(ctx, path, &mask) : PN_ERR_NOMEM;
    if (!status) {
        if (mask.height != f->height || mask.width != f->width)
            status = pn_fail(ctx, PN_ERR_FORMAT, "%s: the mask is %tdx%td, its frame %tdx%td", path, mask.height, mask.width,
                             f->height, f->width);
        pn_image_free(ctx, &mask);
    }
    pn_free(ctx, path);
    return status;
}

static pn_status look_at_points(const pn_clips *c, pn_ctx *ctx, ptrdiff_t clip, ptrdiff_t frame)
{
    const pn_clip_files *files = &c->files[clip];
    double points[PN_JOINTS][3];
    pn_landmarks landmarks;
    pn_status status = PN_OK;
    if (files->folder[PN_PART_NOISY])
        status = c->kind == PN_CLIPS_FACE ? pn_clips_landmarks_read(c, ctx, clip, frame, &landmarks)
                                          : pn_clips_points(c, ctx, clip, frame, PN_PART_NOISY, points);
    if (!status && files->folder[PN_PART_CLEAN]) status = pn_clips_points(c, ctx, clip, frame, PN_PART_CLEAN, points);
    return status;
}

static void look_at_frame(const void *self, pn_ctx *ctx, ptrdiff_t item, pn_finding *f)
{
    const job *j = self;
    ptrdiff_t clip = j->clips->count - 1;
    while (j->first[clip] > item) clip--;
    const ptrdiff_t frame = item - j->first[clip];
    pn_image image;
    char *path = pn_clips_path(j->clips, ctx, clip, frame, PN_PART_FRAMES);
    pn_status status = path ? pn_image_read(ctx, path, &image) : PN_ERR_NOMEM;
    if (!status) {
        f->height = image.height;
        f->width = image.width;
        pn_image_free(ctx, &image);
        if (j->clips->files[clip].folder[PN_PART_MASKS]) status = look_at_mask(j->clips, ctx, clip, frame, f);
    }
    if (!status) status = look_at_points(j->clips, ctx, clip, frame);
    if (status) f->problem = pn_strdup(ctx, pn_ctx_message(ctx));
    pn_free(ctx, path);
}

static pn_status check_split(pn_checker *c, const char *name)
{
    const pn_clips_opt opt = { .kind = c->out.kind == PN_FOLDER_FACE ? PN_CLIPS_FACE : PN_CLIPS_DANCE };
    pn_clips *clips;
    pn_split_check *out = pn_checker_split(c, name);
    if (!out) return PN_ERR_NOMEM;
    pn_status status = pn_clips_begin(c->ctx, c->folder, name, &opt, &c->problems, &clips);
    if (status) return pn_checker_pass(c, status);
    ptrdiff_t *first = pn_alloc(c->ctx, (size_t)clips->count, sizeof *first);
    if (!first) status = PN_ERR_NOMEM;
    for (ptrdiff_t i = 0; !status && i < clips->count; i++) {
        first[i] = out->pictures;
        out->groups++;
        out->pictures += clips->clip[i].frames;
        out->clean += clips->files[i].folder[PN_PART_CLEAN] != NULL;
        out->masks += clips->files[i].folder[PN_PART_MASKS] != NULL;
    }
    if (!status) status = pn_checker_look(c, out->pictures, look_at_frame, &(job){ clips, first });
    pn_free(c->ctx, first);
    pn_clips_free(clips);
    return status;
}

/* SPLIT of SPLIT_256 or SPLIT_data. */
pn_status pn_clips_check(pn_checker *c)
{
    const char *const ending = c->out.kind == PN_FOLDER_FACE ? "_data" : "_256";
    pn_names files;
    pn_status status = pn_folder_list(c->ctx, c->folder, &files);
    if (status) return status;
    for (size_t i = 0; !status && i < files.count; i++) {
        const size_t n = strlen(files.name[i]), e = strlen(ending);
        if (n <= e || strcmp(files.name[i] + n - e, ending) != 0 || n - e >= sizeof c->out.split->name) continue;
        files.name[i][n - e] = 0;
        status = check_split(c, files.name[i]);
    }
    pn_names_free(c->ctx, &files);
    if (!status && !c->out.splits) status = pn_checker_note(c, "%s: no folder SPLIT%s of clips", c->folder, ending);
    return status;
}
