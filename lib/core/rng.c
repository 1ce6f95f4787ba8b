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

typedef struct { uint32_t word[4]; } block;

/* Ten rounds over the counter (position, stream) under the key (seed). */
static block philox(uint64_t seed, uint64_t stream, uint64_t position)
{
    uint32_t a = (uint32_t)position, b = (uint32_t)(position >> 32), c = (uint32_t)stream, d = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * a, p1 = (uint64_t)0xCD9E8D57u * c;
        a = (uint32_t)(p1 >> 32) ^ b ^ k0;
        c = (uint32_t)(p0 >> 32) ^ d ^ k1;
        b = (uint32_t)p1;
        d = (uint32_t)p0;
    }
    return (block){ { a, b, c, d } };
}

/* The next n words, with one block for all of them that it holds. */
static inline void draw(pn_rng *r, uint32_t *words, int n)
{
    block of = philox(r->seed, r->stream, r->counter / 4);
    for (int i = 0; i < n; i++) {
        if (i && r->counter % 4 == 0) of = philox(r->seed, r->stream, r->counter / 4);
        words[i] = of.word[r->counter++ % 4];
    }
}

static double uniform_of(const uint32_t high_low[2])
{
    return (double)(((uint64_t)high_low[0] << 21) ^ (high_low[1] >> 11)) * 0x1p-53;
}

uint32_t pn_rng_u32(pn_rng *r)
{
    uint32_t word;
    draw(r, &word, 1);
    return word;
}

double pn_rng_uniform(pn_rng *r)
{
    uint32_t words[2];
    draw(r, words, 2);
    return uniform_of(words);
}

double pn_rng_normal(pn_rng *r)                         /* Box-Muller, one of the pair: streams stay simple */
{
    uint32_t words[4];
    draw(r, words, 4);
    const double u = 1.0 - uniform_of(words), v = uniform_of(words + 2);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

ptrdiff_t pn_rng_below(pn_rng *r, ptrdiff_t n)
{
    const uint64_t range = (uint64_t)n, fair = UINT64_MAX - UINT64_MAX % range;
    for (;;) {
        uint32_t words[2];
        draw(r, words, 2);
        const uint64_t drawn = (uint64_t)words[0] << 32 | words[1];
        if (drawn < fair) return (ptrdiff_t)(drawn % range);
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
