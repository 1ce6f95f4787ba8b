/* lib/core/rng.c - Philox 4x32-10 (Salmon et al. 2011): random numbers by counter, so streams save, restore and split */
#include "core/core.h"

#include <math.h>
#include <string.h>

uint64_t pn_hash(const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) h = (h ^ b[i]) * 0x100000001b3u;
    return h;
}

pn_rng pn_rng_make(uint64_t seed, uint64_t stream) { return (pn_rng){ .seed = seed, .stream = stream }; }
pn_rng pn_rng_named(uint64_t seed, const char *name) { return pn_rng_make(seed, pn_hash(name, strlen(name))); }

/* Ten rounds over the counter (position, stream) under the key (seed). */
static void philox(uint64_t seed, uint64_t stream, uint64_t position, uint32_t out[4])
{
    uint32_t c[4] = { (uint32_t)position, (uint32_t)(position >> 32), (uint32_t)stream, (uint32_t)(stream >> 32) };
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        const uint32_t next[4] = { (uint32_t)(p1 >> 32) ^ c[1] ^ k0, (uint32_t)p1, (uint32_t)(p0 >> 32) ^ c[3] ^ k1,
                                   (uint32_t)p0 };
        memcpy(c, next, sizeof c);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

uint32_t pn_rng_u32(pn_rng *r)
{
    uint32_t four[4];
    philox(r->seed, r->stream, r->counter / 4, four);
    return four[r->counter++ % 4];
}

double pn_rng_uniform(pn_rng *r)
{
    const uint64_t high = pn_rng_u32(r), low = pn_rng_u32(r);
    return (double)((high << 21) ^ (low >> 11)) * 0x1p-53;
}

double pn_rng_normal(pn_rng *r)                         /* Box-Muller, one of the pair: streams stay simple */
{
    const double u = 1.0 - pn_rng_uniform(r), v = pn_rng_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

ptrdiff_t pn_rng_below(pn_rng *r, ptrdiff_t n)
{
    const uint64_t range = (uint64_t)n, fair = UINT64_MAX - UINT64_MAX % range;
    for (;;) {
        const uint64_t high = pn_rng_u32(r), low = pn_rng_u32(r), draw = high << 32 | low;
        if (draw < fair) return (ptrdiff_t)(draw % range);
    }
}

void pn_rng_shuffle(pn_rng *r, ptrdiff_t *index, ptrdiff_t n)
{
    for (ptrdiff_t i = n - 1; i > 0; i--) {
        const ptrdiff_t j = pn_rng_below(r, i + 1), held = index[i];
        index[i] = index[j];
        index[j] = held;
    }
}
