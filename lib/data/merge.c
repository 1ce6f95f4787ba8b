/* lib/data/merge.c - label tables: parsers' classes to a model's; contract in posenet/data.h */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

extern const char pn_text_label_merges[];

/* Numbers of one row; what says which row in messages. */
static pn_status read_row(pn_ctx *ctx, const char *what, char *text, pn_merge *out)
{
    pn_merge m = { .classes = 0 };
    int n = 0;
    for (char *c = text + strspn(text, " \t,\n"); *c; c += strspn(c, " \t,\n")) {
        char *stop;
        const long v = strtol(c, &stop, 10);
        if (stop == c || v < 0 || v > 255 || n == 256)
            return pn_fail(ctx, PN_ERR_FORMAT, "%s: entry %d is '%.12s', expected at most 256 whole numbers 0 to 255",
                           what, n, c);
        m.to[n++] = (uint8_t)v;
        if (v >= m.classes) m.classes = (int)v + 1;
        c = stop;
    }
    if (!n) return pn_fail(ctx, PN_ERR_FORMAT, "%s: no numbers; a merge lists what labels 0, 1, 2 … become", what);
    *out = m;
    return PN_OK;
}

static pn_status from_file(pn_ctx *ctx, const char *path, pn_merge *out)
{
    pn_bytes file;
    pn_lines lines;
    pn_status status = pn_file_read(ctx, path, &file);
    if (status) return status;
    status = pn_lines_begin(ctx, path, &file, &lines);          /* refuses zero bytes: the text is one string */
    if (!status) status = read_row(ctx, path, (char *)file.bytes, out);
    pn_free(ctx, file.bytes);
    return status;
}

pn_status pn_merge_find(pn_ctx *ctx, const char *name_or_file, pn_merge *out)
{
    char *text = pn_strdup(ctx, pn_text_label_merges);
    if (!text) return PN_ERR_NOMEM;
    char *rest = text, *line;
    pn_status status = PN_ERR_ARG;
    while (status == PN_ERR_ARG && (line = pn_field_next(&rest, '\n'))) {
        const size_t n = strcspn(line, " \t");
        if (*line == '#' || !line[n]) continue;
        line[n] = 0;
        if (strcmp(line, name_or_file) == 0) status = read_row(ctx, name_or_file, line + n + 1, out);
    }
    pn_free(ctx, text);
    if (status != PN_ERR_ARG) return status;
    if (strpbrk(name_or_file, "/.")) return from_file(ctx, name_or_file, out);
    return pn_fail(ctx, PN_ERR_ARG,
                   "'%s' is no labelling or merge; take lip20, cihp20, merged8, atr18, pise8, adgan8, pise, adgan, casd, none8, "
                   "none20 or a file of whole numbers",
                   name_or_file);
}

/* ---- Joints and limbs of the classes ---------------------------------------------------------------------------- */

extern const char pn_text_class_joints[];

/* "K k j j j": of label maps of K classes, class k has the joints j; of limbs, those between two of them. */
static void read_class(char *line, int classes, pn_class_parts *out)
{
    char *at = line;
    const long of = strtol(at, &at, 10), k = strtol(at, &at, 10);
    if (of != classes) return;
    out->classes = classes;
    for (char *stop; at += strspn(at, " "), *at; at = stop) out->joints[k] |= UINT32_C(1) << strtol(at, &stop, 10);
    for (int l = 0; l < PN_LIMBS; l++) {
        const uint32_t ends = UINT32_C(1) << pn_bones[l][0] | UINT32_C(1) << pn_bones[l][1];
        if ((out->joints[k] & ends) == ends) out->limbs[k] |= UINT32_C(1) << l;
    }
}

pn_status pn_class_parts_find(pn_ctx *ctx, int classes, pn_class_parts *out)
{
    pn_class_parts found = { 0 };
    char *text = pn_strdup(ctx, pn_text_class_joints);
    if (!text) return PN_ERR_NOMEM;
    char *rest = text, *line;
    while ((line = pn_field_next(&rest, '\n')))
        if (*line && *line != '#') read_class(line, classes, &found);
    pn_free(ctx, text);
    if (!found.classes)
        return pn_fail(ctx, PN_ERR_ARG, "there is no table of joints for %d classes, expected 1, 8 or 20", classes);
    *out = found;
    return PN_OK;
}

/* ---- Merging ----------------------------------------------------------------------------------------------------- */

void pn_merge_apply(const pn_merge *merge, pn_image *labels)
{
    for (ptrdiff_t i = 0; i < labels->height * labels->width; i++) labels->pixels[i] = merge->to[labels->pixels[i]];
}

void pn_labels_to_onehot(const pn_image *labels, const pn_merge *merge, float *out)
{
    const ptrdiff_t plane = labels->height * labels->width;
    memset(out, 0, (size_t)(plane * merge->classes) * sizeof *out);
    for (ptrdiff_t i = 0; i < plane; i++) out[merge->to[labels->pixels[i]] * plane + i] = 1.0f;
}
