/* lib/data/mistakes.c - label maps with mistakes as parsers make them; contract in posenet/data.h */
#include "core/core.h"
#include "posenet/data.h"

#include <stdio.h>
#include <string.h>

enum { LABELS = 256, REACH = 16 /* a class moves by a sixteenth of the sides at most */ };
typedef enum { SWAPPED, MOVED, MISSING, KINDS } mistake_kind;
typedef struct { bool made; mistake_kind kind; uint8_t to; ptrdiff_t down, across; } mistake;

/* The labels that are there, in ascending order, without the background. */
static int labels_shown(const pn_image *labels, uint8_t shown[LABELS])
{
    bool there[LABELS] = { false };
    int n = 0;
    for (ptrdiff_t i = 0; i < labels->height * labels->width; i++) there[labels->pixels[i]] = true;
    for (int k = 1; k < LABELS; k++)
        if (there[k]) shown[n++] = (uint8_t)k;
    return n;
}

/* As many numbers whatever comes of them, so that a larger share makes the same mistakes and more. */
static mistake draw(pn_uniforms *u, double share, const uint8_t shown[], int n, int which, const pn_image *labels)
{
    const ptrdiff_t rows = labels->height / REACH, columns = labels->width / REACH;
    mistake m = { .made = pn_uniforms_next(u) < share, .kind = (mistake_kind)pn_uniforms_whole(u, 0, KINDS - 1) };
    const ptrdiff_t other = pn_uniforms_whole(u, 0, n > 1 ? n - 2 : 0);
    m.down = pn_uniforms_whole(u, -rows, rows);
    m.across = pn_uniforms_whole(u, -columns, columns);
    if (n > 1) m.to = shown[other + (other >= which)];
    else if (m.kind == SWAPPED) m.kind = MISSING;
    return m;
}

static void paint(const pn_image *right, uint8_t label, uint8_t as, ptrdiff_t down, ptrdiff_t across, pn_image *out)
{
    for (ptrdiff_t y = 0; y < right->height; y++)
        for (ptrdiff_t x = 0; x < right->width; x++) {
            const ptrdiff_t to_y = y + down, to_x = x + across;
            if (right->pixels[y * right->width + x] != label || to_y < 0 || to_x < 0 || to_y >= out->height || to_x >= out->width) continue;
            out->pixels[to_y * out->width + to_x] = as;
        }
}

pn_status pn_labels_mistake(pn_ctx *ctx, pn_image *labels, double share, pn_uniforms *u)
{
    uint8_t shown[LABELS];
    pn_image out = { 0 };
    if (!(share >= 0 && share <= 1))
        return pn_ctx_fail(ctx, PN_ERR_ARG, "pn_labels_mistake: share is %g, expected 0 to 1", share);
    if (labels->channels != 1)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "pn_labels_mistake: %d channels, expected a label map's 1", (int)labels->channels);
    const pn_status status = pn_image_new(ctx, labels->height, labels->width, 1, &out);
    if (status) return status;
    const int n = labels_shown(labels, shown);
    memset(out.pixels, 0, (size_t)(out.height * out.width));
    mistake of[LABELS];
    for (int i = 0; i < n; i++) of[i] = draw(u, share, shown, n, i, labels);
    for (int i = 0; i < n; i++)
        if (!of[i].made) paint(labels, shown[i], shown[i], 0, 0, &out);
    for (int i = 0; i < n; i++) {
        if (!of[i].made || of[i].kind == MISSING) continue;
        if (of[i].kind == SWAPPED) paint(labels, shown[i], of[i].to, 0, 0, &out);
        else paint(labels, shown[i], shown[i], of[i].down, of[i].across, &out);
    }
    memcpy(labels->pixels, out.pixels, (size_t)(out.height * out.width));
    pn_image_free(ctx, &out);
    return PN_OK;
}

static pn_status one_file(pn_ctx *ctx, const char *from, const char *to, const char *name, double share)
{
    char path[4096];
    pn_image labels = { 0 };
    pn_uniforms u = pn_uniforms_named(name);
    snprintf(path, sizeof path, "%s/%s", from, name);
    pn_status status = pn_labels_read(ctx, path, &labels);
    if (!status) status = pn_labels_mistake(ctx, &labels, share, &u);
    snprintf(path, sizeof path, "%s/%s", to, name);
    if (!status) status = pn_labels_write(ctx, path, &labels);
    pn_image_free(ctx, &labels);
    return status;
}

pn_status pn_labels_mistake_folder(pn_ctx *ctx, const char *from, const char *to, double share, size_t *files)
{
    pn_names names = { 0 };
    pn_status status = pn_folder_files(ctx, from, ".png", &names);
    if (!status && !names.count) status = pn_ctx_fail(ctx, PN_ERR_FORMAT, "%s: no label map, expected files .png", from);
    if (!status) status = pn_folder_make(ctx, to);
    for (size_t i = 0; !status && i < names.count; i++) status = one_file(ctx, from, to, names.name[i], share);
    *files = names.count;
    pn_names_free(ctx, &names);
    return status;
}
