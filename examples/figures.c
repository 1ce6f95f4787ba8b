/* examples/figures.c - what lies inside a model, as figures: pairs a flow with its mask and attention, draws by posenet/draw.h */
#include "figures.h"

#include <stdio.h>
#include <string.h>

enum { VIEWS = 16, LARGE_SIDE = 512, GAP = 4 };

/* What all figures of one picture share. */
typedef struct {
    const painter *painter;
    pn_ctx *ctx;
    figure_set *out;
    figure_size size;
    ptrdiff_t height, width;            /* of a figure */
    pn_point point[FIGURE_POINTS];
    int points;
    pn_image source, made;              /* at that size */
    pn_view view[VIEWS];
    float *values[VIEWS];
    int views;
} board;

/* ---- Pictures to draw on --------------------------------------------------------------------------------------------- */

static pn_status new_figure(board *b, const char *name, const char *suffix, ptrdiff_t height, ptrdiff_t width, pn_image **out)
{
    if (b->out->count == FIGURES) return pn_ctx_fail(b->ctx, PN_ERR_LIMIT, "more than %d figures of one picture", FIGURES);
    figure *f = &b->out->item[b->out->count];
    snprintf(f->name, sizeof f->name, "%s%s", name, suffix);
    const pn_status status = pn_image_new(b->ctx, height, width, 3, &f->image);
    if (!status) b->out->count++;
    *out = &f->image;
    return status;
}

static pn_status figure_of_size(board *b, const char *name, const char *suffix, pn_image **out)
{
    return new_figure(b, name, suffix, b->height, b->width, out);
}

/* values [3,H,W] at the size of figures */
static pn_status enlarged(const board *b, const float *values, ptrdiff_t height, ptrdiff_t width, pn_image *out)
{
    pn_image small = { 0 };
    pn_status status = pn_image_new(b->ctx, height, width, 3, &small);
    if (!status) {
        pn_image_from_floats(values, &small);
        status = pn_image_resize(b->ctx, &small, b->height, b->width, PN_FILTER_CUBIC, out);
    }
    pn_image_free(b->ctx, &small);
    return status;
}

static void copy_pixels(const pn_image *from, pn_image *to, ptrdiff_t left)
{
    for (ptrdiff_t y = 0; y < from->height; y++)
        memcpy(to->pixels + 3 * (y * to->width + left), from->pixels + 3 * y * from->width, (size_t)(3 * from->width));
}

/* Half way to grey, so that what is drawn over it stands out. */
static void copy_faded(const pn_image *from, pn_image *to)
{
    for (ptrdiff_t i = 0; i < from->height * from->width; i++) {
        const uint8_t *rgb = from->pixels + 3 * i;
        const int grey = (rgb[0] + 2 * rgb[1] + rgb[2]) / 4;
        for (int c = 0; c < 3; c++) to->pixels[3 * i + c] = (uint8_t)((rgb[c] + 2 * grey + 96) / 4);
    }
}

/* ---- Flows -------------------------------------------------------------------------------------------------------------- */

/* The view of that kind on maps of flow's size that belongs to it: with the same letters after the kind's. -1: none. */
static int partner(const board *b, const pn_view *flow, pn_view_kind kind, const char *begins)
{
    const size_t n = strlen(begins);
    for (int i = 0; i < b->views; i++) {
        const pn_view *v = &b->view[i];
        if (v->kind == kind && v->shape.dim[2] == flow->shape.dim[2] && v->shape.dim[3] == flow->shape.dim[3] &&
            strncmp(flow->name, "flow", 4) == 0 && strncmp(v->name, begins, n) == 0 && strcmp(v->name + n, flow->name + 4) == 0)
            return i;
    }
    return -1;
}

static const float *mask_of(const board *b, const pn_view *flow)
{
    const int i = partner(b, flow, PN_VIEW_MASK, "mask");
    return i < 0 ? NULL : b->values[i];
}

static pn_status flow_colours(board *b, const pn_view *v, const float *flow)
{
    const ptrdiff_t h = v->shape.dim[2], w = v->shape.dim[3], legend = b->size == FIGURES_LARGE ? b->height / 4 : 0;
    const double full = pn_flow_full(flow, h, w), side = (double)(b->height < b->width ? b->height : b->width);
    pn_image colours = { 0 }, *out;
    pn_status status = new_figure(b, v->name, "", b->height, b->width + legend, &out);
    if (!status) status = pn_image_new(b->ctx, b->height, b->width, 3, &colours);
    if (status) return status;
    pn_flow_colours(flow, h, w, full, &colours);
    memset(out->pixels, 255, (size_t)(3 * out->height * out->width));
    copy_pixels(&colours, out, 0);
    pn_image_free(b->ctx, &colours);
    const double radius = legend ? 0.4 * (double)legend : 0.11 * side;
    const pn_point at = { (double)b->height - 2.2 * radius, (double)out->width - 1.25 * radius };
    if (radius >= 6) pn_flow_wheel(out, at, radius, full);
    return PN_OK;
}

static pn_status flow_arrows(board *b, const pn_view *v, const float *flow)
{
    pn_image *out;
    const pn_status status = figure_of_size(b, v->name, "_arrows", &out);
    if (status) return status;
    const double finest = (double)(b->height > b->width ? b->height : b->width) / 32, apart = finest > 10 ? finest : 10;
    copy_faded(&b->made, out);
    pn_flow_arrows(flow, mask_of(b, v), v->shape.dim[2], v->shape.dim[3], apart, out);
    return PN_OK;
}

static pn_status flow_mask(board *b, const pn_view *v)
{
    const int i = partner(b, v, PN_VIEW_MASK, "mask");
    pn_image *out;
    const pn_status status = i < 0 ? PN_OK : figure_of_size(b, b->view[i].name, "", &out);
    if (i >= 0 && !status) pn_mask_greys(b->values[i], v->shape.dim[2], v->shape.dim[3], out);
    return status;
}

static pn_status flow_warped(board *b, const pn_view *v, const float *flow)
{
    const painter *p = b->painter;
    pn_image *out, large = { 0 };
    float *warped = pn_ctx_alloc(b->ctx, 3 * (size_t)(p->height * p->width) * sizeof *warped);
    pn_status status = warped ? figure_of_size(b, v->name, "_warped", &out) : PN_ERR_NOMEM;
    if (!status) {
        pn_flow_warp(flow, v->shape.dim[2], v->shape.dim[3], p->source, p->height, p->width, warped);
        status = enlarged(b, warped, p->height, p->width, &large);
    }
    if (!status) copy_pixels(&large, out, 0);
    pn_image_free(b->ctx, &large);
    pn_ctx_release(b->ctx, warped);
    return status;
}

static pn_status flow_figures(board *b, int i)
{
    const pn_view *v = &b->view[i];
    pn_status status = flow_colours(b, v, b->values[i]);
    if (!status) status = flow_arrows(b, v, b->values[i]);
    if (!status) status = flow_mask(b, v);
    return status ? status : flow_warped(b, v, b->values[i]);
}

/* ---- Attention ------------------------------------------------------------------------------------------------------------ */

/* k x k tiles, one a tap, as it lies around the flow's end. */
static pn_status attention_tiles(board *b, int i, int k)
{
    const ptrdiff_t h = b->view[i].shape.dim[2], w = b->view[i].shape.dim[3];
    pn_image *out, tile = { 0 };
    pn_status status = new_figure(b, b->view[i].name, "", k * h, k * w, &out);
    if (!status) status = pn_image_new(b->ctx, h, w, 3, &tile);
    for (int tap = 0; !status && tap < k * k; tap++) {
        pn_mask_greys(b->values[i] + tap * h * w, h, w, &tile);
        for (ptrdiff_t y = 0; y < h; y++)
            memcpy(out->pixels + 3 * (((tap / k * h + y) * k + tap % k) * w), tile.pixels + 3 * y * w, (size_t)(3 * w));
    }
    pn_image_free(b->ctx, &tile);
    return status;
}

static bool has_figure(const board *b, const char *name)
{
    for (int i = 0; i < b->out->count; i++)
        if (strcmp(b->out->item[i].name, name) == 0) return true;
    return false;
}

/* Draws into target and source; puts them beside each other, or, as tiles, the target only once. */
static pn_status put_reads(board *b, const char *name, const pn_reading *r)
{
    pn_image target = { 0 }, source = { 0 }, *out;
    const bool large = b->size == FIGURES_LARGE;
    pn_status status = pn_image_new(b->ctx, b->height, b->width, 3, &target);
    if (!status) status = pn_image_new(b->ctx, b->height, b->width, 3, &source);
    if (!status) {
        copy_pixels(&b->made, &target, 0);
        copy_pixels(&b->source, &source, 0);
        pn_draw_reads(&target, &source, r, b->point, b->points);
        if (!large && !has_figure(b, "points")) {
            status = figure_of_size(b, "points", "", &out);
            if (!status) copy_pixels(&target, out, 0);
        }
    }
    const ptrdiff_t left = large ? b->width + GAP : 0;
    if (!status) status = new_figure(b, name, "_reads", b->height, left + b->width, &out);
    if (!status) {
        memset(out->pixels, 255, (size_t)(3 * out->height * out->width));
        if (large) copy_pixels(&target, out, 0);
        copy_pixels(&source, out, left);
    }
    pn_image_free(b->ctx, &target);
    pn_image_free(b->ctx, &source);
    return status;
}

static pn_status attention_figures(board *b, int i)
{
    const pn_view *v = &b->view[i];
    int k = 1;
    while (k * k < v->shape.dim[1]) k++;
    const pn_status status = b->size == FIGURES_LARGE ? attention_tiles(b, i, k) : PN_OK;
    for (int f = 0; !status && f < b->views; f++) {
        if (b->view[f].kind != PN_VIEW_FLOW || partner(b, &b->view[f], PN_VIEW_ATTENTION, "attention") != i) continue;
        const pn_reading r = { .height = v->shape.dim[2], .width = v->shape.dim[3], .height_full = b->painter->height,
                               .width_full = b->painter->width, .k = k, .flow = b->values[f], .attention = b->values[i],
                               .mask = mask_of(b, &b->view[f]) };
        return put_reads(b, v->name, &r);
    }
    return status;
}

/* ---- Masks without a flow, label maps, pictures ------------------------------------------------------------------------------ */

static pn_status plain_figure(board *b, int i)
{
    const pn_view *v = &b->view[i];
    const ptrdiff_t h = v->shape.dim[2], w = v->shape.dim[3];
    pn_image *out, large = { 0 };
    if (has_figure(b, v->name)) return PN_OK;
    pn_status status = figure_of_size(b, v->name, "", &out);
    if (status) return status;
    if (v->kind == PN_VIEW_MASK) pn_mask_greys(b->values[i], h, w, out);
    if (v->kind == PN_VIEW_PARSING) pn_class_colours(b->values[i], v->shape.dim[1], h, w, out);
    if (v->kind == PN_VIEW_PICTURE) {
        status = enlarged(b, b->values[i], h, w, &large);
        if (!status) copy_pixels(&large, out, 0);
        pn_image_free(b->ctx, &large);
    }
    return status;
}

/* ---- Points ------------------------------------------------------------------------------------------------------------------- */

int figures_places(const painter *p, pn_point out[FIGURE_POINTS])
{
    static const double place[][2] = { { 0.3, 0.5 }, { 0.5, 0.35 }, { 0.5, 0.65 }, { 0.75, 0.5 } };     /* shares of height and width */
    const int n = sizeof place / sizeof *place;
    for (int i = 0; i < n; i++) out[i] = (pn_point){ .y = place[i][0] * (double)p->height, .x = place[i][1] * (double)p->width };
    return n;
}

/* ---- All of them --------------------------------------------------------------------------------------------------------------- */

static pn_status read_views(board *b)
{
    const pn_generation *gen = b->painter->generation;
    pn_status status = PN_OK;
    for (int i = 0; !status && i < pn_generation_views(gen) && i < VIEWS; i++) {
        b->view[i] = pn_generation_view(gen, i);
        b->values[i] = pn_ctx_alloc(b->ctx, (size_t)pn_shape_count(b->view[i].shape) * sizeof(float));
        status = b->values[i] ? pn_generation_get(gen, i, b->values[i]) : PN_ERR_NOMEM;
        b->views = i + 1;
    }
    return status;
}

/* Flows come first, so that a mask of theirs is there when its own turn comes. */
static pn_status draw_views(board *b)
{
    pn_status status = PN_OK;
    for (int i = 0; !status && i < b->views; i++)
        if (b->view[i].kind == PN_VIEW_FLOW) status = flow_figures(b, i);
    for (int i = 0; !status && i < b->views; i++) {
        if (b->view[i].kind == PN_VIEW_FLOW) continue;
        status = b->view[i].kind == PN_VIEW_ATTENTION ? attention_figures(b, i) : plain_figure(b, i);
    }
    return status;
}

static void begin(board *b, const painter *p, const figure_opt *opt, figure_set *out)
{
    enum { ROOMY = 200 };
    const ptrdiff_t side = p->height > p->width ? p->height : p->width;
    const ptrdiff_t factor = opt->size == FIGURES_TILES || side >= LARGE_SIDE ? 1 : (LARGE_SIDE + side - 1) / side;
    *out = (figure_set){ 0 };
    *b = (board){ .painter = p, .ctx = p->ctx, .out = out, .size = opt->size, .height = factor * p->height, .width = factor * p->width };
    const int most = factor * side >= ROOMY ? 8 : 4;
    if (!opt->points) b->points = pn_points_of_pose(&p->pose, p->height, p->width, b->point, most);
    for (int i = 0; opt->points && i < opt->count && i < FIGURE_POINTS; i++) b->point[b->points++] = opt->points[i];
}

pn_status figures_make(const painter *p, const figure_opt *opt, figure_set *out)
{
    board b;
    begin(&b, p, opt, out);
    pn_status status = read_views(&b);
    if (!status) status = enlarged(&b, p->source, p->height, p->width, &b.source);
    if (!status) status = enlarged(&b, p->image, p->height, p->width, &b.made);
    if (!status) status = draw_views(&b);
    for (int i = 0; i < b.views; i++) pn_ctx_release(b.ctx, b.values[i]);
    pn_image_free(b.ctx, &b.source);
    pn_image_free(b.ctx, &b.made);
    if (status) figures_free(b.ctx, out);
    return status;
}

void figures_free(pn_ctx *ctx, figure_set *set)
{
    for (int i = 0; i < set->count; i++) pn_image_free(ctx, &set->item[i].image);
    *set = (figure_set){ 0 };
}

int figures_rows(const figure_set *set, int columns) { return (set->count + columns - 1) / columns; }

void figures_paste(const figure_set *set, pn_image *sheet, int row, int columns)
{
    for (int i = 0; i < set->count; i++) sheet_paste(sheet, row + i / columns, i % columns, &set->item[i].image);
}
