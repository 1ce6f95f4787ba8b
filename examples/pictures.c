/* examples/pictures.c - sheets of pictures, and what they are made from */
#include "figures.h"

#include "posenet/clips.h"

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

void sheet_paste(pn_image *sheet, int row, int column, const pn_image *tile)
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
    sheet_paste(sheet, row, column, &tile);
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

void painter_tell(const painter *p, const char *program)
{
    fprintf(stderr, "%s: size %tdx%td, %.1f MiB for all values and packed weights\n", program, p->height, p->width,
            (double)pn_generation_bytes(p->generation) / 1048576);
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

void painter_target(painter *p, const pn_pose *pose, ptrdiff_t grid_height, ptrdiff_t grid_width)
{
    p->pose = pn_pose_scale(pose, (double)grid_height, (double)grid_width, (double)p->height, (double)p->width);
    painter_heatmaps(p, pose, grid_height, grid_width, p->pose_target);
}

pn_status painter_check_parsing(const pn_model *model, const char *parsing)
{
    const char *name = pn_model_kind_of(model)->name;
    const bool reads = pn_model_needs_at(model, pn_model_kind_of(model)->height).classes > 0;
    if (parsing && !reads) pn_ctx_warn(pn_model_ctx(model), "%s reads no label map; --source-parsing is not used", name);
    if (parsing || !reads) return PN_OK;
    return pn_ctx_fail(pn_model_ctx(model), PN_ERR_ARG, "%s reads a label map of the source; name it with --source-parsing", name);
}

static pn_status source_structure(painter *p, const painter_person *who, const pn_image *picture, const ptrdiff_t frame[2])
{
    const double h = (double)p->height, w = (double)p->width;
    pn_pose pose;
    ptrdiff_t grid[2];
    if (p->needs.reads == PN_READS_FACES) {
        pn_landmarks marks;
        const pn_status status = pn_landmarks_read(p->ctx, who->pose, &marks);
        const ptrdiff_t *of = who->grid[0] ? who->grid : frame;
        if (status) return status;
        marks = pn_landmarks_scale(&marks, (double)of[0], (double)of[1], h, w);
        return pn_face_maps(p->ctx, &marks, picture, p->pose_source);
    }
    const pn_status status = pn_pose_read(p->ctx, who->pose, &pose, grid);
    const ptrdiff_t *of = who->grid[0] ? who->grid : grid[0] ? grid : frame;
    if (status) return status;
    if (p->needs.reads == PN_READS_DANCES) {
        pn_pose17 noisy = pn_pose17_from_18(&pose);
        noisy = pn_pose17_scale(&noisy, (double)of[0], (double)of[1], h, w);
        return pn_pose17_maps(p->ctx, &noisy, PN_COCO17, p->height, p->width, 6, p->pose_source);
    }
    painter_heatmaps(p, &pose, of[0], of[1], p->pose_source);
    return PN_OK;
}

pn_status painter_source(painter *p, const painter_person *who, ptrdiff_t frame[2], pn_image *resized)
{
    pn_image picture = { 0 };
    pn_status status = pn_image_read(p->ctx, who->image, &picture);
    if (!status) status = pn_image_resize(p->ctx, &picture, p->height, p->width, p->needs.filter, resized);
    if (!status) {
        frame[0] = picture.height;
        frame[1] = picture.width;
        pn_image_to_floats(resized, p->source);
        status = source_structure(p, who, resized, frame);
    }
    const pn_person person = { .name = who->image, .parsing = who->parsing };
    if (!status && p->parsing) status = pn_person_parsing(p->ctx, &person, &p->merge, p->height, p->width, p->parsing);
    pn_image_free(p->ctx, &picture);
    return status;
}

static pn_status load_picture(const painter *p, const pn_person *person, float *picture)
{
    return pn_person_load(p->ctx, person, p->height, p->width, p->needs.filter, picture, NULL);
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
    const pn_person *from = pair->source, *to = pair->target;
    pn_status status = load_picture(p, from, p->source);
    if (!status) status = load_picture(p, to, p->target);
    if (status) return status;
    painter_heatmaps(p, &from->pose, from->grid_height, from->grid_width, p->pose_source);
    painter_target(p, &to->pose, to->grid_height, to->grid_width);
    if (p->parsing) status = pn_person_parsing(p->ctx, from, &p->merge, p->height, p->width, p->parsing);
    p->knows_target = p->parsing && to->parsing;
    if (!status && p->knows_target)
        status = pn_person_parsing(p->ctx, to, &p->merge, p->height, p->width, p->parsing_target);
    return status ? status : painter_run(p);
}

pn_status painter_write(const painter *p, const char *path)
{
    const size_t n = strlen(path);
    if (n > 4 && strcmp(path + n - 4, ".npy") == 0)
        return pn_npy_write(p->ctx, path, pn_shape3(3, p->height, p->width), p->image);
    pn_image picture;
    pn_status status = pn_image_new(p->ctx, p->height, p->width, 3, &picture);
    if (status) return status;
    pn_image_from_floats(p->image, &picture);
    status = pn_image_write(p->ctx, path, &picture);
    pn_image_free(p->ctx, &picture);
    return status;
}

static void put_row(const painter *p, pn_image *sheet, int row)
{
    sheet_put(sheet, row, 0, p->height, p->width, p->source);
    sheet_put_pose(p->ctx, sheet, row, 1, p->height, p->width, &p->pose);
    sheet_put(sheet, row, 2, p->height, p->width, p->image);
    sheet_put(sheet, row, 3, p->height, p->width, p->target);
}

enum { COLUMNS = 4 };
static pn_status paint_rows(painter *p, const pn_dataset *d, int rows, pn_image *sheet)
{
    const ptrdiff_t pairs = pn_dataset_pairs(d);
    pn_status status = PN_OK;
    put_row(p, sheet, 0);
    for (int r = 1; !status && r < rows; r++) {
        status = painter_paint(p, pn_dataset_pair(d, r * pairs / rows));
        if (!status) put_row(p, sheet, r);
    }
    return status;
}

pn_status paint_sheet(painter *p, const pn_dataset *d, int rows, const char *path)
{
    const ptrdiff_t pairs = pn_dataset_pairs(d);
    figure_set inside = { 0 };
    pn_image sheet = { 0 };
    if (pairs < rows) rows = (int)pairs;
    pn_status status = painter_paint(p, pn_dataset_pair(d, 0));
    if (!status) status = figures_make(p, &(figure_opt){ .size = FIGURES_TILES }, &inside);
    if (!status) status = sheet_new(p->ctx, rows + figures_rows(&inside, COLUMNS), COLUMNS, p->height, p->width, &sheet);
    if (!status) status = paint_rows(p, d, rows, &sheet);
    if (!status) figures_paste(&inside, &sheet, rows, COLUMNS);
    if (!status) status = pn_image_write(p->ctx, path, &sheet);
    pn_image_free(p->ctx, &sheet);
    figures_free(p->ctx, &inside);
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
