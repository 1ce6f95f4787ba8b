#include "support/convolution.h"

pn_real *pn_test_numbers(const char *stream, ptrdiff_t count)
{
    pn_real *p = pn_test_room((size_t)count * sizeof *p);
    pn_test_random(stream, p, count);
    return p;
}

pn_real *pn_test_map(const char *stream, pn_map m)
{
    pn_real *p = pn_test_numbers(stream, pn_map_stored(m));
    for (ptrdiff_t i = 0; i < pn_map_stored(m); i++)
        if (i / (m.h * m.w * PN_BLOCK) % pn_map_blocks(m) * PN_BLOCK + i % PN_BLOCK >= m.c) p[i] = 0;
    return p;
}

void *pn_test_room(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 64) / 64 * 64);
    ck_assert_ptr_nonnull(p);
    return p;
}

ptrdiff_t pn_test_lanes(pn_map m) { return (m.c + PN_BLOCK - 1) / PN_BLOCK * PN_BLOCK; }

ptrdiff_t pn_test_weights(const pn_conv_dims *d)
{
    const ptrdiff_t tall = d->transposed ? d->x.c : d->y.c, wide = d->transposed ? d->y.c : d->x.c;
    return tall * (wide / d->groups) * d->kernel[0] * d->kernel[1];
}
