/* examples/sheets.c - sample sheets of training, whatever its task reads: rows of what is given, what is made, what is true; below
 * them the figures of what the model looked at for one picture
 */
#include "feed.h"
#include "figures.h"
#include "views.h"

enum { EVERY = 5 };                 /* frames from row to row */

/* ---- Views ---------------------------------------------------------------------------------------------------------------- */

static pn_status view_row(painter *p, const pn_views *v, pn_view_pair pair, pn_image *sheet, int row)
{
    const pn_status status = painter_turn(p, v, pair);
    if (status) return status;
    sheet_put(sheet, row, 0, p->height, p->width, p->source);
    sheet_put(sheet, row, 1, p->height, p->width, p->image);
    sheet_put(sheet, row, 2, p->height, p->width, p->target);
    return PN_OK;
}

/* The published test's pairs, how many; pn_ctx_release them. NULL: no memory. */
static pn_view_pair *test_pairs(const painter *p, const pn_views *v, ptrdiff_t *count)
{
    *count = pn_views_test_pairs(v, NULL);
    pn_view_pair *pairs = pn_ctx_alloc(p->ctx, (size_t)(*count + 1) * sizeof *pairs);
    if (pairs) pn_views_test_pairs(v, pairs);
    return pairs;
}

static pn_status view_rows(painter *p, const pn_views *v, int rows, pn_image *sheet)
{
    ptrdiff_t count;
    pn_view_pair *pairs = test_pairs(p, v, &count);
    pn_status status = pairs ? PN_OK : PN_ERR_NOMEM;
    for (int r = 0; !status && r < rows; r++) status = view_row(p, v, pairs[r * count / rows], sheet, r);
    pn_ctx_release(p->ctx, pairs);
    return status;
}

/* ---- Frames ---------------------------------------------------------------------------------------------------------------- */

/* What can be seen of a structure [C,H,W], as a picture: a dance's skeleton in colours, a face's edges. */
static void structure_picture(const painter *p, const float *structure, float *picture)
{
    const ptrdiff_t plane = p->height * p->width;
    for (ptrdiff_t i = 0; i < 3 * plane; i++)
        picture[i] = p->needs.reads == PN_READS_DANCES ? structure[PN_JOINTS17 * plane + i] / 127.5f - 1
                                                       : 2 * structure[i % plane] - 1;
}

/* Frames 0 to `last` of a clip, each from the one made before; every fifth is a row. The reference is the first. */
static pn_status clip_rows(painter *p, const pn_clips *c, ptrdiff_t clip, int rows, pn_image *sheet)
{
    pn_status status = pn_clips_frame(c, clip, 0, PN_REFERENCE, p->height, p->width, p->source, p->pose_source, NULL);
    const ptrdiff_t frames = pn_clips_clip(c, clip)->frames;
    for (ptrdiff_t t = 0; !status && t < frames && t <= EVERY * (rows - 1); t++) {
        status = pn_clips_frame(c, clip, t, PN_DRIVING, p->height, p->width, p->target, p->pose_target, NULL);
        p->begins = t == 0;
        if (!status) status = painter_run(p);
        if (status || t % EVERY) continue;
        const int row = (int)(t / EVERY);
        sheet_put(sheet, row, 0, p->height, p->width, p->source);
        sheet_put(sheet, row, 2, p->height, p->width, p->image);
        sheet_put(sheet, row, 3, p->height, p->width, p->target);
        structure_picture(p, p->pose_target, p->target);
        sheet_put(sheet, row, 1, p->height, p->width, p->target);
    }
    return status;
}

/* ---- Tracks: skeletons, noisy, cleaned, clean ----------------------------------------------------------------------------- */

/* Instant t of a track [34,length] as a skeleton in colours on the painter's size. */
static pn_status put_track(const painter *p, pn_image *sheet, int row, int column, const float *track, ptrdiff_t length,
                           ptrdiff_t t, pn_skeleton17 skeleton)
{
    pn_pose17 pose;
    for (int j = 0; j < PN_JOINTS17; j++) {
        const double y = track[2 * j * length + t], x = track[(2 * j + 1) * length + t];
        pose.y[j] = y <= -1 ? -1 : (y + 1) / 2 * (double)p->height;
        pose.x[j] = y <= -1 ? -1 : (x + 1) / 2 * (double)p->width;
    }
    const pn_status status = pn_pose17_maps(p->ctx, &pose, skeleton, p->height, p->width, 6, p->pose_source);
    const ptrdiff_t plane = p->height * p->width;
    for (ptrdiff_t i = 0; !status && i < 3 * plane; i++)
        p->pose_source[i] = p->pose_source[PN_JOINTS17 * plane + i] / 127.5f - 1;
    if (!status) sheet_put(sheet, row, column, p->height, p->width, p->pose_source);
    return status;
}

static pn_status track_rows(painter *p, const pn_tracks *tracks, int rows, pn_image *sheet)
{
    const ptrdiff_t length = p->needs.frames;
    pn_tracks_window(tracks, 0, 0, length, p->source, p->target);
    pn_status status = painter_run(p);
    for (int r = 0; !status && r < rows; r++) {
        const ptrdiff_t t = r * length / rows;
        status = put_track(p, sheet, r, 0, p->source, length + 2 * PN_TRACK_MARGIN, PN_TRACK_MARGIN + t, PN_COCO17);
        if (!status) status = put_track(p, sheet, r, 1, p->image, length, t, PN_H36M17);
        if (!status) status = put_track(p, sheet, r, 2, p->target, length, t, PN_H36M17);
    }
    return status;
}

/* ---- Inside ------------------------------------------------------------------------------------------------------------------- */

/* A turn of the first object by some azimuths. */
static pn_status early_turn(painter *p, const pn_views *v)
{
    enum { AZIMUTHS = 3 };
    ptrdiff_t count;
    pn_view_pair *pairs = test_pairs(p, v, &count);
    const pn_status status = pairs ? painter_turn(p, v, pairs[count > AZIMUTHS ? AZIMUTHS : count - 1]) : PN_ERR_NOMEM;
    pn_ctx_release(p->ctx, pairs);
    return status;
}

/* An early frame of a clip, made from the reference alone, so that both flows lead there. */
static pn_status early_frame(painter *p, const pn_clips *c)
{
    const ptrdiff_t frames = pn_clips_clip(c, 0)->frames, t = frames > EVERY ? EVERY : frames - 1;
    pn_status status = pn_clips_frame(c, 0, 0, PN_REFERENCE, p->height, p->width, p->source, p->pose_source, NULL);
    if (!status) status = pn_clips_frame(c, 0, t, PN_DRIVING, p->height, p->width, p->target, p->pose_target, NULL);
    p->begins = true;
    return status ? status : painter_run(p);
}

/* Figures of the latest picture. */
static pn_status look_inside(const painter *p, figure_set *inside)
{
    pn_point points[FIGURE_POINTS];
    const int count = figures_places(p, points);
    return figures_make(p, &(figure_opt){ .size = FIGURES_TILES, .points = points, .count = count }, inside);
}

/* ---- Whatever is read ------------------------------------------------------------------------------------------------------- */

static int rows_there(const painter *p, const feed *f, int rows)
{
    const ptrdiff_t most = f->views ? pn_views_test_pairs(f->views, NULL)
                         : f->tracks ? p->needs.frames : (pn_clips_clip(f->clips, 0)->frames + EVERY - 1) / EVERY;
    return most < rows ? (int)most : rows;
}

static pn_status fill_rows(painter *p, const feed *f, int rows, pn_image *sheet)
{
    if (f->views) return view_rows(p, f->views, rows, sheet);
    return f->tracks ? track_rows(p, f->tracks, rows, sheet) : clip_rows(p, f->clips, 0, rows, sheet);
}

pn_status feed_sheet(painter *p, const feed *f, int rows, const char *path)
{
    if (f->pairs) return paint_sheet(p, f->pairs, rows, path);
    const bool frames = !f->views && !f->tracks;
    const int columns = frames ? 4 : 3;
    figure_set inside = { 0 };
    pn_image sheet = { 0 };
    pn_status status = PN_OK;
    rows = rows_there(p, f, rows);
    if (f->views) status = early_turn(p, f->views);
    else if (frames) status = early_frame(p, f->clips);
    if (!status && !f->tracks) status = look_inside(p, &inside);
    if (!status) status = sheet_new(p->ctx, rows + figures_rows(&inside, columns), columns, p->height, p->width, &sheet);
    if (!status) status = fill_rows(p, f, rows, &sheet);
    if (!status) figures_paste(&inside, &sheet, rows, columns);
    if (!status) status = pn_image_write(p->ctx, path, &sheet);
    pn_image_free(p->ctx, &sheet);
    figures_free(p->ctx, &inside);
    return status;
}
