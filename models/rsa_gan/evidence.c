/* models/rsa_gan/evidence.c - leaves that follow from the source's label map and pose alone
 *
 * Of each class three maps: where it is labelled, the largest of its joints' heat maps, the largest of its limbs'. The
 * background has what no joint and no limb claims.
 */
#include "rsa_gan.h"

#include <math.h>
#include <string.h>

enum { CELL = RSA_GAN_CELL, MAPS = RSA_GAN_EVIDENCE, POSE = PN_JOINTS + PN_LIMBS };

/* Numbers of one sample in each array, in the order of their place. */
typedef struct {
    ptrdiff_t parsing, evidence, shown, where;
} counts;

static counts counts_of(int classes, ptrdiff_t height, ptrdiff_t width)
{
    const ptrdiff_t plane = height * width;
    return (counts){ classes * plane, MAPS * classes * plane, classes, 3 * plane / (CELL * CELL) };
}

size_t rsa_gan_evidence_numbers(const rsa_gan_config *c, ptrdiff_t n, ptrdiff_t height, ptrdiff_t width)
{
    const counts of = counts_of(c->classes, height, width);
    return (size_t)(n * (of.parsing + of.evidence + of.shown + of.where));
}

/* x and y from -1 to 1 from the first to the last cell, and the distance from the middle. */
static void place_cells(pn_real *where, ptrdiff_t h, ptrdiff_t w)
{
    for (ptrdiff_t p = 0; p < h * w; p++) {
        const double x = 2 * (double)(p % w) / (double)(w - 1) - 1, y = 2 * (double)(p / w) / (double)(h - 1) - 1;
        where[p] = (pn_real)x;
        where[h * w + p] = (pn_real)y;
        where[2 * h * w + p] = (pn_real)sqrt(x * x + y * y);
    }
}

pn_status rsa_gan_evidence_place(pn_ctx *ctx, const rsa_gan_config *c, pn_real *numbers, ptrdiff_t n, ptrdiff_t height,
                                 ptrdiff_t width, rsa_gan_evidence *out)
{
    enum { LEAST = 32 };                                /* else the pose encoder's deepest map has a single position */
    const counts of = counts_of(c->classes, height, width);
    if (height < LEAST || width < LEAST)
        return pn_ctx_fail(ctx, PN_ERR_ARG, "the size is %tdx%td, but rsa_gan needs sides of %d or more", height, width, LEAST);
    *out = (rsa_gan_evidence){ .n = n, .height = height, .width = width, .classes = c->classes, .joints = c->joints };
    out->parsing = numbers;
    out->evidence = out->parsing + n * of.parsing;
    out->shown = out->evidence + n * of.evidence;
    out->where = out->shown + n * of.shown;
    for (ptrdiff_t i = 0; i < n; i++) place_cells(out->where + i * of.where, height / CELL, width / CELL);
    return pn_class_parts_find(ctx, c->classes, &out->parts);
}

/* ---- One sample ------------------------------------------------------------------------------------------------------ */

/* out = the largest of those maps whose bits are set, 0 without any. */
static void largest(const pn_real *maps, uint32_t wanted, int count, ptrdiff_t plane, pn_real *out)
{
    memset(out, 0, (size_t)plane * sizeof *out);
    for (int i = 0; i < count; i++)
        for (ptrdiff_t p = 0; wanted >> i & 1 && p < plane; p++)
            if (!(maps[i * plane + p] <= out[p])) out[p] = maps[i * plane + p];
}

static void gather_class(const rsa_gan_evidence *e, int k, const pn_real *labelled, const pn_real *pose, pn_real *out)
{
    const ptrdiff_t plane = e->height * e->width;
    const bool background = k == 0 && e->classes > 1;
    const bool everything = background || e->joints == RSA_GAN_ALL;
    const uint32_t joints = everything ? (UINT32_C(1) << PN_JOINTS) - 1 : e->parts.joints[k];
    const uint32_t limbs = everything ? (UINT32_C(1) << PN_LIMBS) - 1 : e->parts.limbs[k];
    memcpy(out, labelled, (size_t)plane * sizeof *out);
    largest(pose, joints, PN_JOINTS, plane, out + plane);
    largest(pose + PN_JOINTS * plane, limbs, PN_LIMBS, plane, out + 2 * plane);
    for (ptrdiff_t p = plane; background && p < MAPS * plane; p++) out[p] = 1 - out[p];
}

/* A class is shown from one cell's worth of pixels on. */
static pn_real is_shown(const pn_real *labelled, ptrdiff_t plane)
{
    double pixels = 0;
    for (ptrdiff_t p = 0; p < plane; p++) pixels += (double)labelled[p];
    return (pn_real)(pixels >= CELL * CELL);
}

void rsa_gan_gather(rsa_gan_evidence *e, const pn_real *parsing, const pn_real *pose)
{
    const ptrdiff_t plane = e->height * e->width;
    const counts of = counts_of(e->classes, e->height, e->width);
    for (ptrdiff_t i = 0; i < e->n * of.parsing; i++) e->parsing[i] = e->classes == 1 ? 1 : parsing[i];
    for (ptrdiff_t i = 0; i < e->n; i++)
        for (int k = 0; k < e->classes; k++) {
            const pn_real *labelled = e->parsing + i * of.parsing + k * plane;
            gather_class(e, k, labelled, pose + i * POSE * plane, e->evidence + i * of.evidence + MAPS * k * plane);
            e->shown[i * of.shown + k] = is_shown(labelled, plane);
        }
}

pn_status rsa_gan_set_evidence(pn_plan *p, const rsa_gan_input *in, const rsa_gan_evidence *e)
{
    const struct {
        const pn_tensor *leaf;
        const pn_real *values;
    } all[] = { { in->parsing, e->parsing }, { in->evidence, e->evidence }, { in->shown, e->shown }, { in->where, e->where } };
    pn_status status = PN_OK;
    for (size_t i = 0; !status && i < sizeof all / sizeof *all; i++)
        if (all[i].leaf) status = pn_set(p, all[i].leaf, all[i].values);
    return status;
}
