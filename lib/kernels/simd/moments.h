/* simd/moments.h - mean and squared deviations of a run of numbers, lane by lane of a block
 *
 * Chunks that fit L1 are summed in float around their own mean, chunks are joined in double (Chan, Golub & LeVeque
 * 1983): one pass over memory, and a mean far above the deviation costs no digits.
 */
#ifndef PN_SIMD_MOMENTS_H
#define PN_SIMD_MOMENTS_H

#include "kernels/simd/pointwise.h"

/* squares: sum of (x - mean)^2 */
typedef struct { double count, mean[PN_BLOCK], squares[PN_BLOCK]; } pn_moments;

enum { PN_MOMENT_GROUPS = 64 };     /* of PN_BLOCK numbers, per chunk: 4 KB */

static inline void pn_moments_join(pn_moments *m, double count, const float *mean, const float *rest,
                                   const float *squares)
{
    const double total = m->count + count, share = count / total;
    for (int i = 0; i < PN_BLOCK; i++) {
        const double off = (double)rest[i] / count;     /* what rounding left out of the chunk's mean */
        const double delta = (double)mean[i] + off - m->mean[i];
        m->mean[i] += delta * share;
        m->squares[i] += (double)squares[i] - off * (double)rest[i] + delta * delta * m->count * share;
    }
    m->count = total;
}

/* Up to PN_MOMENT_GROUPS groups of PN_BLOCK numbers. */
static inline void pn_moments_chunk(pn_moments *m, const float *x, ptrdiff_t groups)
{
    vec sum[VECS], mean[VECS], rest[VECS], squares[VECS];
    for (int v = 0; v < VECS; v++) sum[v] = rest[v] = squares[v] = (vec){ 0 };
    for (ptrdiff_t g = 0; g < groups; g++)
        for (int v = 0; v < VECS; v++) sum[v] += vec_load(x + g * PN_BLOCK + v * VLEN);
    for (int v = 0; v < VECS; v++) mean[v] = sum[v] / (float)groups;
    for (ptrdiff_t g = 0; g < groups; g++)
        for (int v = 0; v < VECS; v++) {
            const vec d = vec_load(x + g * PN_BLOCK + v * VLEN) - mean[v];
            rest[v] += d;
            squares[v] += d * d;
        }
    float of[3][PN_BLOCK];
    for (int v = 0; v < VECS; v++) {
        vec_store(of[0] + v * VLEN, mean[v]);
        vec_store(of[1] + v * VLEN, rest[v]);
        vec_store(of[2] + v * VLEN, squares[v]);
    }
    pn_moments_join(m, (double)groups, of[0], of[1], of[2]);
}

static inline pn_moments pn_moments_of_lanes(const float *x, ptrdiff_t groups)
{
    pn_moments m = { .count = 0 };
    for (ptrdiff_t g = 0; g < groups; g += PN_MOMENT_GROUPS)
        pn_moments_chunk(&m, x + g * PN_BLOCK, pn_smaller(PN_MOMENT_GROUPS, groups - g));
    return m;
}

/* All lanes as one, and some further numbers that fill no group: the result is in lane 0. */
static inline pn_moments pn_moments_of_run(const float *x, ptrdiff_t count)
{
    const ptrdiff_t groups = count / PN_BLOCK;
    const pn_moments lanes = pn_moments_of_lanes(x, groups);
    pn_moments m = { .count = (double)count };
    double sum = 0;
    for (int i = 0; i < PN_BLOCK; i++) sum += lanes.mean[i] * lanes.count;
    for (ptrdiff_t i = groups * PN_BLOCK; i < count; i++) sum += (double)x[i];
    m.mean[0] = sum / m.count;
    for (int i = 0; i < PN_BLOCK; i++) {
        const double d = lanes.mean[i] - m.mean[0];
        m.squares[0] += lanes.squares[i] + lanes.count * d * d;
    }
    for (ptrdiff_t i = groups * PN_BLOCK; i < count; i++) {
        const double d = (double)x[i] - m.mean[0];
        m.squares[0] += d * d;
    }
    return m;
}

void PN_SIMD(pn_simd_row_norm)(pn_kernels *k);

#endif
