/* examples/pictures.c - sheets of pictures, and what lies inside a model made visible */
#include "pictures.h"

#include "posenet/clips.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { GAP = 2 };

pn_status sheet_new(pn_ctx *ctx, int rows, int columns, ptrdiff_t height, ptrdiff_t width, pn_image *out)
{
    const pn_status status = pn_image_new(ctx, rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3, out);
    if (!status) memset(out->pixels, 255, (size_t)(out->height * out->width * 3));
    return status;
}

static void paste(pn_image *sheet, int row, int column, const pn_image *tile)
{
    for (ptrdiff_t y = 0; y < tile->height; y++) {
        const ptrdiff_t at = (row * (tile->height + GAP) + y) * sheet->width + column * (tile->width + GAP);
        memcpy(sheet->pixels + 3 * at, tile->pixels + 3 * y * tile->width, (size_t)(3 * tile->width));
    }
}

void sheet_put(pn_image *sheet, int row, int column, ptrdiff_t height, ptrdiff_t width, const float *values)
{
    const ptrdiff_t plane = height * width;
    for (ptrdiff_t y = 0; y < height; y++)
        for (ptrdiff_t x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                const float v = (values[c * plane + y * width + x] + 1) * 127.5f;
                const ptrdiff_t at = (row * (height + GAP) + y) * sheet->width + column * (width + GAP) + x;
                sheet->pixels[3 * at + c] = (uint8_t)(v > 0 ? v < 255 ? v : 255 : 0);
            }
}

void sheet_put_pose(pn_ctx *ctx, pn_image *sheet, int row, int column, ptrdiff_t height, ptrdiff_t width, const pn_pose *pose)
{
    pn_image tile;
    if (pn_image_new(ctx, height, width, 3, &tile)) return;
    pn_pose_draw(pose, &tile);
    paste(sheet, row, column, &tile);
    pn_image_free(ctx, &tile);
}

/* ---- One pair at a time ------------------------------------------------------------------------------------------------ */

static void choose_size(const pn_weights *weights, const pn_model *model, ptrdiff_t *height, ptrdiff_t *width)
{
    const char *ours = pn_weights_note(weights, "pn.size"), *noted = ours ? ours : pn_weights_note(weights, "size");
    if (*height || (noted && sscanf(noted, "%tdx%td", height, width) == 2)) return;
    const pn_model_kind *kind = pn_model_kind_of(model);
    *height = kind->height;
    *width = kind->width;
}

pn_model *painter_model(pn_ctx *ctx, const char *weights, pn_model_opt opt, ptrdiff_t *height, ptrdiff_t *width)
{
    pn_weights *file = pn_weights_open(ctx, weights);
    opt.weights = file;
    pn_model *model = file ? pn_model_new(ctx, &opt) : NULL;
    if (model) choose_size(file, model, height, width);
    if (model && pn_model_load(model, file)) {
        pn_model_free(model);
        model = NULL;
    }
    pn_weights_free(file);
    return model;
}

pn_status painter_new(painter *p, pn_model *model, ptrdiff_t height, ptrdiff_t width, paint_use use)
{
    *p = (painter){ .ctx = pn_model_ctx(model), .height = height, .width = width };
    p->needs = pn_model_needs_at(model, height);
    const bool track = p->needs.reads == PN_READS_TRACKS;
    const ptrdiff_t longest = PN_TRACK_CHANNELS * (p->needs.frames + 2 * PN_TRACK_MARGIN);
    const size_t plane = (size_t)(height * width) * sizeof(float), picture = track && longest > 3 * height * width
                         ? (size_t)longest * sizeof(float) : 3 * plane;
    p->generation = (use == PAINT_ONCE ? pn_generation_once : pn_generation_new)(model, 1, height, width);
    if (!p->generation) return pn_ctx_status(p->ctx);
    float **pictures[] = { &p->source, &p->target, &p->image }, **poses[] = { &p->pose_source, &p->pose_target };
    bool ok = true;
    for (int i = 0; i < 3; i++) ok = (*pictures[i] = pn_ctx_alloc(p->ctx, picture)) && ok;
    for (int i = 0; i < 2; i++) ok = (*poses[i] = pn_ctx_alloc(p->ctx, (size_t)p->needs.channels * plane)) && ok;
    float **labels[] = { &p->parsing, &p->parsing_target };
    for (int i = 0; i < 2 && p->needs.classes; i++)
        ok = (*labels[i] = pn_ctx_alloc(p->ctx, (size_t)p->needs.classes * plane)) && ok;
    const pn_status status = ok ? painter_labelling(p, "") : PN_ERR_NOMEM;
    if (status) painter_free(p);
    return status;
}

pn_status painter_labelling(painter *p, const char *labelling)
{
    if (!p->needs.classes) return PN_OK;
    const char *name = *p->needs.labelling ? p->needs.labelling : *labelling ? labelling : "lip20";
    const pn_status status = pn_merge_find(p->ctx, name, &p->merge);
    if (status || p->merge.classes == p->needs.classes) return status;
    return pn_ctx_fail(p->ctx, PN_ERR_ARG, "the labels %s have %d classes, and this model needs %d; name a merge of as many", name,
                       p->merge.classes, p->needs.classes);
}

void painter_free(painter *p)
{
    float *const arrays[] = { p->source, p->target, p->image, p->pose_source, p->pose_target, p->parsing,
                              p->parsing_target, p->hole };
    if (!p->ctx) return;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) pn_ctx_release(p->ctx, arrays[i]);
    pn_generation_free(p->generation);
    *p = (painter){ 0 };
}

void painter_heatmaps(const painter *p, const pn_pose *pose, ptrdiff_t grid_height, ptrdiff_t grid_width, float *heatmaps)
{
    const pn_pose scaled = pn_pose_scale(pose, (double)grid_height, (double)grid_width, (double)p->height, (double)p->width);
    pn_pose_maps(&scaled, p->height, p->width, p->needs.sigma, p->needs.limbs, heatmaps);
}

static pn_status load_person(const painter *p, const pn_person *person, float *picture, float *heatmaps)
{
    const pn_status status = pn_person_load(p->ctx, person, p->height, p->width, p->needs.filter, picture, NULL);
    if (!status) painter_heatmaps(p, &person->pose, person->grid_height, person->grid_width, heatmaps);
    return status;
}

pn_status painter_run(painter *p)
{
    const pn_model_input in = { .source = p->source, .pose_source = p->pose_source, .pose_target = p->pose_target,
                                .parsing_source = p->parsing, .hole = p->hole, .begins = p->begins,
                                .parsing_target = p->knows_target ? p->parsing_target : NULL };
    return pn_generation_run(p->generation, &in, p->image);
}

pn_status painter_paint(painter *p, const pn_pair *pair)
{
    pn_status status = load_person(p, pair->source, p->source, p->pose_source);
    if (!status) status = load_person(p, pair->target, p->target, p->pose_target);
    if (!status && p->parsing) status = pn_person_parsing(p->ctx, pair->source, &p->merge, p->height, p->width, p->parsing);
    p->knows_target = p->parsing && pair->target->parsing;
    if (!status && p->knows_target)
        status = pn_person_parsing(p->ctx, pair->target, &p->merge, p->height, p->width, p->parsing_target);
    return status ? status : painter_run(p);
}

static pn_status paint_row(painter *p, const pn_pair *pair, pn_image *sheet, int row)
{
    const pn_status status = painter_paint(p, pair);
    if (status) return status;
    const pn_person *t = pair->target;
    const pn_pose pose = pn_pose_scale(&t->pose, (double)t->grid_height, (double)t->grid_width, (double)p->height, (double)p->width);
    sheet_put(sheet, row, 0, p->height, p->width, p->source);
    sheet_put_pose(p->ctx, sheet, row, 1, p->height, p->width, &pose);
    sheet_put(sheet, row, 2, p->height, p->width, p->image);
    sheet_put(sheet, row, 3, p->height, p->width, p->target);
    return PN_OK;
}

pn_status paint_sheet(painter *p, const pn_dataset *d, int rows, const char *path)
{
    const ptrdiff_t pairs = pn_dataset_pairs(d);
    if (pairs < rows) rows = (int)pairs;
    pn_image sheet;
    pn_status status = sheet_new(p->ctx, rows, 4, p->height, p->width, &sheet);
    if (status) return status;
    for (int r = 0; !status && r < rows; r++) status = paint_row(p, pn_dataset_pair(d, r * pairs / rows), &sheet, r);
    if (!status) status = pn_image_write(p->ctx, path, &sheet);
    pn_image_free(p->ctx, &sheet);
    return status;
}

void make_folder(const char *path)
{
    char part[4096];
    if (!path || strlen(path) >= sizeof part) return;
    for (size_t i = 0; path[i]; i++) {
        part[i] = path[i];
        part[i + 1] = 0;
        if (!path[i + 1] || path[i + 1] == '/') (void)mkdir(part, 0777);
    }
}

int stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return (int)(dot ? dot - name : (ptrdiff_t)strlen(name));
}

bool picture_kind(const char *path)
{
    static const char *const kinds[] = { ".png", ".jpg", ".jpeg", ".npy" };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(dot, kinds[i]) == 0) return true;
    return false;
}

/* ---- Views --------------------------------------------------------------------------------------------------------------- */

static void hue(double angle, double strength, uint8_t rgb[3])
{
    for (int c = 0; c < 3; c++) {
        const double lobe = 0.5 + 0.5 * cos(angle - c * 2.0943951023931953);
        rgb[c] = (uint8_t)(255 * (1 - strength * (1 - lobe)));
    }
}

static void flow_pixels(const float *flow, ptrdiff_t count, pn_image *out)
{
    double longest = 1e-6;
    for (ptrdiff_t i = 0; i < count; i++) {
        const double length = hypot((double)flow[i], (double)flow[count + i]);
        if (isfinite(length) && length > longest) longest = length;
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        const double u = (double)flow[i], v = (double)flow[count + i], strength = hypot(u, v) / longest;
        hue(atan2(v, u), isfinite(strength) ? strength : 0, out->pixels + 3 * i);
    }
}

static uint8_t grey(double v) { return (uint8_t)(v > 0 ? v < 1 ? 255 * v : 255 : 0); }

/* The class of the largest weight, in a hue of its own; the first, the background, in grey. */
static void parsing_pixels(const float *weights, ptrdiff_t classes, ptrdiff_t count, pn_image *out)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t k = 0;
        for (ptrdiff_t c = 1; c < classes; c++)
            if (weights[c * count + i] > weights[k * count + i]) k = c;
        hue(6.283185307179586 * (double)(k - 1) / (double)(classes - 1), 1, out->pixels + 3 * i);
        if (k == 0) memset(out->pixels + 3 * i, 64, 3);
    }
}

pn_status view_picture(pn_ctx *ctx, const pn_view *view, const float *values, pn_image *out)
{
    const ptrdiff_t h = view->shape.dim[2], w = view->shape.dim[3], taps = view->shape.dim[1];
    ptrdiff_t k = 1;
    while (view->kind == PN_VIEW_ATTENTION && k * k < taps) k++;
    const pn_status status = pn_image_new(ctx, k * h, k * w, 3, out);
    if (status) return status;
    if (view->kind == PN_VIEW_FLOW) {
        flow_pixels(values, h * w, out);
        return PN_OK;
    }
    if (view->kind == PN_VIEW_PARSING) {
        parsing_pixels(values, taps, h * w, out);
        return PN_OK;
    }
    if (view->kind == PN_VIEW_PICTURE) {
        pn_image_from_floats(values, out);
        return PN_OK;
    }
    for (ptrdiff_t y = 0; y < k * h; y++)               /* attention: one tile a tap, as it lies around the flow */
        for (ptrdiff_t x = 0; x < k * w; x++) {
            const ptrdiff_t tap = y / h * k + x / w;
            const uint8_t v = grey((double)values[(tap * h + y % h) * w + x % w]);
            memset(out->pixels + 3 * (y * k * w + x), v, 3);
        }
    return PN_OK;
}
