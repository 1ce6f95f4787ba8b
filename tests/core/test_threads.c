/* tests/core/test_threads.c - lib/core/threads.c: every item once, whatever the threads; denormals; contexts */
#define _GNU_SOURCE
#include "core/context.h"

#include <check.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 1000 };
typedef struct { _Atomic int times[ITEMS]; _Atomic int strangers; int threads; } count;

static void count_item(void *job, ptrdiff_t item, int worker)
{
    count *c = job;
    c->times[item]++;
    if (worker < 0 || worker >= c->threads) c->strangers++;
}

START_TEST(every_item_runs_once_on_a_known_worker)
{
    static const int threads[] = { 1, 2, 3, 8 };
    static const ptrdiff_t items[] = { 0, 1, 2, 7, ITEMS };
    for (size_t t = 0; t < 4; t++) {
        pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = threads[t] }, NULL);
        ck_assert_int_eq(pn_ctx_threads(ctx), threads[t]);
        ck_assert_int_eq(pn_pool_size(pn_ctx_pool(ctx)), threads[t]);
        for (int again = 0; again < 50; again++)        /* right after each other: workers spin, then sleep */
            for (size_t n = 0; n < 5; n++) {
                count c = { .threads = threads[t] };
                pn_parallel(pn_ctx_pool(ctx), items[n], count_item, &c);
                int wrong = 0;
                for (ptrdiff_t i = 0; i < ITEMS; i++) wrong += c.times[i] != (i < items[n]);
                ck_assert_int_eq(wrong, 0);
                ck_assert_int_eq(c.strangers, 0);
            }
        pn_ctx_free(ctx);
    }
}
END_TEST

START_TEST(no_pool_is_one_thread)
{
    count c = { .threads = 1 };
    pn_parallel(NULL, ITEMS, count_item, &c);
    for (ptrdiff_t i = 0; i < ITEMS; i++) ck_assert_int_eq(c.times[i], 1);
    ck_assert_int_eq(pn_pool_size(NULL), 1);
}
END_TEST

static void halve(void *job, ptrdiff_t item, int worker)
{
    volatile float *v = job;
    (void)worker;
    v[item] = v[item] * 0.5f;
}

START_TEST(denormals_are_zero_inside_and_as_before_outside)
{
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 3 }, NULL);
    static volatile float v[ITEMS];
    for (int i = 0; i < ITEMS; i++) v[i] = 1.2e-38f;    /* half of it is denormal */
    pn_parallel(pn_ctx_pool(ctx), ITEMS, halve, (void *)(uintptr_t)v);
    for (int i = 0; i < ITEMS; i++) ck_assert(v[i] == 0);
    volatile float here = 1.2e-38f;
    here = here * 0.5f;
    ck_assert(here > 0);
    pn_ctx_free(ctx);
}
END_TEST

/* ---- Contexts ---------------------------------------------------------------------------------------------------- */

START_TEST(a_context_that_cannot_be_says_why)
{
    char why[256];
    ck_assert_ptr_null(pn_ctx_new(&(pn_ctx_opt){ .threads = -1 }, why));
    ck_assert_ptr_nonnull(strstr(why, "threads is out of range, expected 0 (one per core) to 256"));
    ck_assert_ptr_null(pn_ctx_new(&(pn_ctx_opt){ .threads = 257 }, NULL));
    ck_assert_ptr_null(pn_ctx_new(&(pn_ctx_opt){ .isa = (pn_isa)77 }, why));
    ck_assert_ptr_nonnull(strstr(why, "unset PN_ISA to take the best it has"));
    setenv("PN_ISA", "sse9", 1);
    ck_assert_ptr_null(pn_ctx_new(NULL, why));
    ck_assert_ptr_nonnull(strstr(why, "PN_ISA is 'sse9', expected one of ref, base, avx2, avx512, neon"));
    setenv("PN_ISA", "ref", 1);
    pn_ctx *ctx = pn_ctx_new(NULL, why);
    ck_assert_int_eq(pn_ctx_isa(ctx), PN_ISA_REF);
    ck_assert_int_ge(pn_ctx_threads(ctx), 1);
    ck_assert_str_eq(pn_ctx_message(ctx), "");
    ck_assert_int_eq(pn_ctx_status(ctx), PN_OK);
    pn_ctx_free(ctx);
    pn_ctx_free(NULL);
}
END_TEST

START_TEST(a_message_too_long_is_cut_not_spilled)
{
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 1 }, NULL);
    char text[2000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    ck_assert_int_eq(pn_fail(ctx, PN_ERR_FORMAT, "%s", text), PN_ERR_FORMAT);
    ck_assert_uint_eq(strlen(pn_ctx_message(ctx)), PN_MESSAGE_MAX - 1);
    ck_assert_int_eq(pn_fail_errno(ctx, 2, "%s", text), PN_ERR_IO);
    ck_assert_uint_eq(strlen(pn_ctx_message(ctx)), PN_MESSAGE_MAX - 1);
    pn_ctx_free(ctx);
}
END_TEST

/* ---- Sizes ------------------------------------------------------------------------------------------------------- */

START_TEST(sizes_do_not_wrap_around)
{
    size_t r = 5;
    ck_assert(!pn_size_mul(SIZE_MAX / 2, 3, &r) && r == 5);
    ck_assert(!pn_size_add(SIZE_MAX, 1, &r) && r == 5);
    ck_assert(pn_size_mul(6, 7, &r) && r == 42);
    ck_assert(pn_size_add(6, 7, &r) && r == 13);
    ck_assert(!pn_shape_valid(pn_shape4(1 << 20, 1 << 20, 1 << 20, 1 << 20)));
    ck_assert(!pn_shape_valid(pn_shape1(PTRDIFF_MAX)));
    ck_assert(!pn_shape_valid(pn_shape2(0, PTRDIFF_MAX)));
    ck_assert(!pn_shape_valid((pn_shape){ 0 }));
    ck_assert(!pn_shape_valid((pn_shape){ .rank = 6, .dim = { 1, 1, 1, 1, 1 } }));
    ck_assert(pn_shape_valid(pn_shape5(1, 2, 3, 4, 5)));
    char text[PN_SHAPE_TEXT];
    ck_assert_str_eq(pn_shape_text(pn_shape5(1, 2, 3, 4, 5), text), "[1,2,3,4,5]");
    ck_assert_str_eq(
        pn_shape_text(pn_shape5(PTRDIFF_MIN, PTRDIFF_MIN, PTRDIFF_MIN, PTRDIFF_MIN, PTRDIFF_MIN), text),
        "[-9223372036854775808,-9223372036854775808,-9223372036854775808,-9223372036854775808,-9223372036854775808]");
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 1 }, NULL);
    ck_assert_ptr_null(pn_alloc(ctx, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(pn_alloc(ctx, SIZE_MAX - 8, 1));
    ck_assert_ptr_null(pn_alloc_pages(ctx, SIZE_MAX));
    ck_assert_int_eq(pn_ctx_status(ctx), PN_ERR_NOMEM);
    void *memory = NULL;
    size_t capacity = 0;
    ck_assert_int_eq(pn_grow(ctx, &memory, &capacity, SIZE_MAX / 2, 16), PN_ERR_NOMEM);
    ck_assert_ptr_null(memory);
    ck_assert_uint_eq(capacity, 0);
    pn_ctx_free(ctx);
}
END_TEST

START_TEST(memory_is_zero_aligned_and_grows_with_its_content)
{
    pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 1 }, NULL);
    void *memory = NULL;
    size_t capacity = 0;
    for (size_t n = 1; n < 3000; n++) {
        ck_assert_int_eq(pn_grow(ctx, &memory, &capacity, n, sizeof(int)), PN_OK);
        ck_assert_uint_eq((uintptr_t)memory % 64, 0);
        ck_assert_int_eq(((int *)memory)[n - 1], 0);
        ((int *)memory)[n - 1] = (int)n;
    }
    for (int n = 1; n < 3000; n++) ck_assert_int_eq(((int *)memory)[n - 1], n);
    pn_free(ctx, memory);
    pn_arena arena = { .ctx = ctx };
    for (size_t n = 0; n < 300; n++) {
        const size_t bytes = n * 700;
        char *block = pn_arena_alloc(&arena, n, 700);
        ck_assert_uint_eq((uintptr_t)block % 16, 0);
        size_t zeros = 0;
        while (zeros < bytes && block[zeros] == 0) zeros++;
        ck_assert_uint_eq(zeros, bytes);
        memset(block, 1, bytes);
    }
    pn_arena_free(&arena);
    pn_ctx_free(ctx);
}
END_TEST

TCase *threads_cases(void)
{
    TCase *tc = tcase_create("threads");
    tcase_add_test(tc, every_item_runs_once_on_a_known_worker);
    tcase_add_test(tc, no_pool_is_one_thread);
    tcase_add_test(tc, denormals_are_zero_inside_and_as_before_outside);
    tcase_add_test(tc, a_context_that_cannot_be_says_why);
    tcase_add_test(tc, a_message_too_long_is_cut_not_spilled);
    tcase_add_test(tc, sizes_do_not_wrap_around);
    tcase_add_test(tc, memory_is_zero_aligned_and_grows_with_its_content);
    return tc;
}
