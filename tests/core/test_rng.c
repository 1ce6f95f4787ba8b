/* tests/core/test_rng.c - lib/core/rng.c: Philox 4x32-10 against the numbers its authors published, and what is
 * made of it */
#include "core/core.h"

#include <check.h>
#include <math.h>
#include <string.h>

/* A second implementation, from the paper (Salmon et al. 2011, section 3.3): 10 rounds, two 32 x 32 products each. */
static void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t x[4] = { counter[0], counter[1], counter[2], counter[3] };
    for (uint32_t round = 0; round < 10; round++) {
        const uint32_t k0 = key[0] + round * 0x9E3779B9u, k1 = key[1] + round * 0xBB67AE85u;
        const uint64_t a = (uint64_t)x[0] * 0xD2511F53u, b = (uint64_t)x[2] * 0xCD9E8D57u;
        const uint32_t y[4] = { (uint32_t)(b >> 32) ^ x[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ x[3] ^ k1,
                                (uint32_t)a };
        memcpy(x, y, sizeof x);
    }
    memcpy(out, x, sizeof x);
}

/* kat_vectors of Random123: counter, key, result. */
static const struct { uint32_t counter[4], key[2], result[4]; } published[] = {
    { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
    { { ~0u, ~0u, ~0u, ~0u }, { ~0u, ~0u }, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
    { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
      { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
};

START_TEST(the_second_implementation_gives_the_published_numbers)
{
    uint32_t out[4];
    philox(published[_i].counter, published[_i].key, out);
    ck_assert_mem_eq(out, published[_i].result, sizeof out);
}
END_TEST

START_TEST(a_stream_is_philox_over_position_and_stream_under_the_seed)
{
    pn_rng r = pn_rng_make(0, 0);
    for (int i = 0; i < 4; i++) ck_assert_uint_eq(pn_rng_u32(&r), published[0].result[i]);
    const uint64_t seed = 0x299f31d0a4093822u, stream = 0x0370734413198a2eu;
    const uint64_t positions[] = { 0, 1, 2, 0xffffffffu, 0x100000000u, 0x05a308d3243f6a88u };
    for (size_t p = 0; p < sizeof positions / sizeof *positions; p++) {
        const uint32_t counter[4] = { (uint32_t)positions[p], (uint32_t)(positions[p] >> 32), (uint32_t)stream,
                                      (uint32_t)(stream >> 32) };
        uint32_t out[4];
        philox(counter, (const uint32_t[]){ (uint32_t)seed, (uint32_t)(seed >> 32) }, out);
        r = pn_rng_make(seed, stream);
        r.counter = positions[p] * 4;
        for (int i = 0; i < 4; i++) ck_assert_uint_eq(pn_rng_u32(&r), out[i]);
    }
}
END_TEST

START_TEST(a_stream_goes_on_where_its_state_says)
{
    pn_rng r = pn_rng_named(7, "weights"), other = pn_rng_named(7, "weight");
    ck_assert(r.stream != other.stream);
    for (int i = 0; i < 5; i++) pn_rng_u32(&r);
    pn_rng saved = r;
    const double next = pn_rng_normal(&r);
    ck_assert(pn_rng_normal(&saved) == next);
    ck_assert_uint_eq(saved.counter, r.counter);
}
END_TEST

START_TEST(uniform_and_normal_have_their_moments)
{
    enum { N = 200000 };
    pn_rng r = pn_rng_make(3, 0);
    double sum = 0, squares = 0, low = 1, high = 0, third = 0, fourth = 0;
    for (int i = 0; i < N; i++) {
        const double u = pn_rng_uniform(&r);
        sum += u;
        squares += u * u;
        low = fmin(low, u);
        high = fmax(high, u);
    }
    ck_assert(low >= 0 && high < 1 && low < 1e-4 && high > 1 - 1e-4);
    ck_assert(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));            /* five standard errors */
    ck_assert(fabs(squares / N - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
    sum = squares = 0;
    for (int i = 0; i < N; i++) {
        const double z = pn_rng_normal(&r);
        sum += z;
        squares += z * z;
        third += z * z * z;
        fourth += z * z * z * z;
    }
    ck_assert(fabs(sum / N) < 5 * sqrt(1.0 / N));
    ck_assert(fabs(squares / N - 1) < 5 * sqrt(2.0 / N));
    ck_assert(fabs(third / N) < 5 * sqrt(15.0 / N));
    ck_assert(fabs(fourth / N - 3) < 5 * sqrt(96.0 / N));
}
END_TEST

START_TEST(below_is_even_and_inside)
{
    enum { N = 60000, SIDES = 6 };
    int seen[SIDES] = { 0 };
    pn_rng r = pn_rng_make(11, 2);
    for (int i = 0; i < N; i++) {
        const ptrdiff_t side = pn_rng_below(&r, SIDES);
        ck_assert(side >= 0 && side < SIDES);
        seen[side]++;
    }
    double chi = 0;
    for (int i = 0; i < SIDES; i++) chi += pow(seen[i] - N / SIDES, 2) / (N / SIDES);
    ck_assert(chi < 20.5);                              /* 5 degrees of freedom: above it once in a thousand seeds */
    ck_assert_int_eq(pn_rng_below(&r, 1), 0);
    ck_assert(pn_rng_below(&r, PTRDIFF_MAX) >= 0);
}
END_TEST

START_TEST(a_shuffle_is_a_permutation_and_all_are_as_likely)
{
    enum { N = 24000 };
    int seen[24] = { 0 };
    pn_rng r = pn_rng_make(5, 0);
    for (int i = 0; i < N; i++) {
        ptrdiff_t index[4] = { 0, 1, 2, 3 };
        pn_rng_shuffle(&r, index, 4);
        int rank = 0, used = 0;
        for (int k = 0; k < 4; k++) {
            int smaller = 0;
            for (int j = k + 1; j < 4; j++) smaller += index[j] < index[k];
            rank = rank * (4 - k) + smaller;
            used |= 1 << index[k];
        }
        ck_assert_int_eq(used, 15);
        seen[rank]++;
    }
    double chi = 0;
    for (int i = 0; i < 24; i++) chi += pow(seen[i] - N / 24, 2) / (N / 24);
    ck_assert(chi < 49.8);                              /* 23 degrees of freedom */
    pn_rng_shuffle(&r, NULL, 0);
}
END_TEST

TCase *rng_cases(void)
{
    TCase *tc = tcase_create("rng");
    tcase_add_loop_test(tc, the_second_implementation_gives_the_published_numbers, 0, 3);
    tcase_add_test(tc, a_stream_is_philox_over_position_and_stream_under_the_seed);
    tcase_add_test(tc, a_stream_goes_on_where_its_state_says);
    tcase_add_test(tc, uniform_and_normal_have_their_moments);
    tcase_add_test(tc, below_is_even_and_inside);
    tcase_add_test(tc, a_shuffle_is_a_permutation_and_all_are_as_likely);
    return tc;
}
