/* kernels.h - the table of inner loops: plain arrays in, plain arrays out
 *
 * ref/ is complete, sums in double and is the meaning; simd/ overwrites the entries it has, per instruction set. No
 * allocation, no errors, no globals. Scratch is sized by the ..._scratch entries and handed in by the planner.
 */
#ifndef PN_KERNELS_H
#define PN_KERNELS_H

#include "posenet.h"
#include "core/threads.h"

/* ---- Maps: [n][c/b][y][x][b] ------------------------------------------------------------------------------------- */

enum { PN_BLOCK = 16 };
typedef struct { ptrdiff_t n, c, h, w, b; } pn_map;     /* b = 1 (planar) or 16; lanes past c are zero and stay zero */

static inline ptrdiff_t pn_map_blocks(pn_map m) { return (m.c + m.b - 1) / m.b; }
static inline ptrdiff_t pn_map_stored(pn_map m) { return m.n * pn_map_blocks(m) * m.h * m.w * m.b; }
static inline ptrdiff_t pn_at(pn_map m, ptrdiff_t n, ptrdiff_t c, ptrdiff_t y, ptrdiff_t x)
{
    return ((((n * pn_map_blocks(m) + c / m.b) * m.h + y) * m.w) + x) * m.b + c % m.b;
}

/* Where a gradient goes: NULL when nobody needs it. The first write sets, later ones add. */
typedef struct { pn_real *data; bool add; } pn_sink;
static inline void pn_put(pn_sink s, ptrdiff_t i, double v)
{
    s.data[i] = (pn_real)(s.add ? (double)s.data[i] + v : v);
}

#include "kernels/conv.h"
#include "kernels/matmul.h"
#include "kernels/norm.h"
#include "kernels/pointwise.h"
#include "kernels/shaping.h"
#include "kernels/resample.h"
#include "kernels/channel.h"
#include "kernels/attention.h"
#include "kernels/match.h"
#include "kernels/losses.h"
#include "kernels/regions.h"
#include "kernels/optim.h"

typedef struct pn_kernels {
    pn_conv_kernels conv;
    pn_matmul_kernels matmul;
    pn_norm_kernels norm;
    pn_pointwise_kernels pointwise;
    pn_shaping_kernels shaping;
    pn_resample_kernels resample;
    pn_attention_kernels attention;
    pn_match_kernels match;
    pn_loss_kernels loss;
    pn_region_kernels region;
    pn_optim_kernels optim;
} pn_kernels;

/* One function per family fills its part of the table with the reference loops. */
void pn_ref_add_conv(pn_kernels *k);
void pn_ref_add_matmul(pn_kernels *k);
void pn_ref_add_norm(pn_kernels *k);
void pn_ref_add_pointwise(pn_kernels *k);
void pn_ref_add_shaping(pn_kernels *k);
void pn_ref_add_resample(pn_kernels *k);
void pn_ref_add_attention(pn_kernels *k);
void pn_ref_add_match(pn_kernels *k);
void pn_ref_add_losses(pn_kernels *k);
void pn_ref_add_regions(pn_kernels *k);
void pn_ref_add_optim(pn_kernels *k);

/* The same from simd/, once per level that this build holds. */
void pn_simd_add_base(pn_kernels *k);
void pn_simd_add_avx2(pn_kernels *k);
void pn_simd_add_avx512(pn_kernels *k);
void pn_simd_add_neon(pn_kernels *k);

pn_kernels pn_kernels_for(pn_isa isa);
bool pn_kernels_built(pn_isa isa);

#endif
