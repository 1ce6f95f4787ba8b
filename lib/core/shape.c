/* lib/core/shape.c - extents, checked once; afterwards kernels multiply freely */
#include "core/core.h"

#include <stdio.h>

pn_shape pn_shape1(ptrdiff_t a) { return (pn_shape){ 1, { a } }; }
pn_shape pn_shape2(ptrdiff_t a, ptrdiff_t b) { return (pn_shape){ 2, { a, b } }; }
pn_shape pn_shape3(ptrdiff_t a, ptrdiff_t b, ptrdiff_t c) { return (pn_shape){ 3, { a, b, c } }; }
pn_shape pn_shape4(ptrdiff_t n, ptrdiff_t c, ptrdiff_t h, ptrdiff_t w) { return (pn_shape){ 4, { n, c, h, w } }; }
pn_shape pn_shape5(ptrdiff_t a, ptrdiff_t b, ptrdiff_t c, ptrdiff_t d, ptrdiff_t e)
{
    return (pn_shape){ 5, { a, b, c, d, e } };
}

ptrdiff_t pn_shape_count(pn_shape s)
{
    ptrdiff_t count = 1;
    for (int i = 0; i < s.rank && i < PN_MAX_RANK; i++) count *= s.dim[i];
    return count;
}

bool pn_shape_equal(pn_shape a, pn_shape b)
{
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank && i < PN_MAX_RANK; i++)
        if (a.dim[i] != b.dim[i]) return false;
    return true;
}

/* Channel blocks round channels up to 16 and doubles take 8 bytes: leave room for both. */
bool pn_shape_valid(pn_shape s)
{
    if (s.rank < 1 || s.rank > PN_MAX_RANK) return false;
    size_t bytes = 16 * sizeof(double);
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] < 1 || !pn_size_mul(bytes, (size_t)s.dim[i], &bytes)) return false;
    return bytes <= PTRDIFF_MAX;
}

const char *pn_shape_text(pn_shape s, char text[PN_SHAPE_TEXT])
{
    if (s.rank < 0 || s.rank > PN_MAX_RANK) {
        snprintf(text, PN_SHAPE_TEXT, "rank %d", s.rank);
        return text;
    }
    size_t used = (size_t)snprintf(text, PN_SHAPE_TEXT, "[");
    for (int i = 0; i < s.rank; i++)
        used += (size_t)snprintf(text + used, PN_SHAPE_TEXT - used, i ? ",%td" : "%td", s.dim[i]);
    snprintf(text + used, PN_SHAPE_TEXT - used, "]");
    return text;
}
