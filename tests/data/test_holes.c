/* tests/data/test_holes.c - lib/data/holes.c */
#include "core/core.h"
#include "support/pntest.h"

#include "posenet/data.h"

typedef enum { BANDS, CORNER, NOBODY } person;  /* as in make_holes_golden.py */

typedef struct {
    const char *name;
    pn_hole_kind kind;
    ptrdiff_t height, width;
    person who;
    pn_hole_place place;
    ptrdiff_t missing;
    int used;
    uint64_t hash;
} expectation;

static const expectation expected[] = {
#define HOLE(name, kind, height, width, who, place, missing, used, hash) \
    { name, kind, height, width, who, place, missing, used, hash },
#include "data/holes.def"
#undef HOLE
};
enum { EXPECTED = sizeof expected / sizeof *expected };

static pn_image image(ptrdiff_t height, ptrdiff_t width)
{
    pn_image made;
    ck_assert_int_eq(pn_image_new(pn_test_ctx(), height, width, 1, &made), PN_OK);
    return made;
}

static pn_image classes_of(person who, ptrdiff_t h, ptrdiff_t w)
{
    pn_image made = image(h, w);
    for (ptrdiff_t y = 0; y < h; y++)
        for (ptrdiff_t x = 0; x < w; x++) {
            const bool inside = who == BANDS ? x >= w / 4 && x < w - w / 4 : who == CORNER && y < h / 8 && x < w / 8;
            made.pixels[y * w + x] = (uint8_t)(!inside ? 0 : who == BANDS ? 1 + y * 7 / h : 5);
        }
    return made;
}

static ptrdiff_t count(const pn_image *mask)
{
    ptrdiff_t n = 0;
    for (ptrdiff_t i = 0; i < mask->height * mask->width; i++) {
        if (mask->pixels[i] > 1) ck_abort_msg("pixel %td is %d", i, mask->pixels[i]);
        n += mask->pixels[i];
    }
    return n;
}

START_TEST(another_program_draws_the_same_bits)
{
    const expectation *e = &expected[_i];
    pn_image classes = classes_of(e->who, e->height, e->width), mask = image(e->height, e->width);
    memset(mask.pixels, 0xaa, (size_t)(e->height * e->width));
    pn_uniforms u = pn_uniforms_named(e->name), apart = u;
    ck_assert_int_eq(pn_hole_draw(pn_test_ctx(), &mask, &classes, e->kind, e->place, &u), PN_OK);
    for (int i = 0; i < e->used; i++) pn_uniforms_next(&apart);
    ck_assert_uint_eq(u.state, apart.state);            /* as many random numbers */
    ck_assert_int_eq(count(&mask), e->missing);
    ck_assert_uint_eq(pn_hash(mask.pixels, (size_t)(e->height * e->width)), e->hash);
    pn_image_free(pn_test_ctx(), &classes);
    pn_image_free(pn_test_ctx(), &mask);
}
END_TEST

/* The stream's definition: published values of splitmix64 from state 1234567 (Rosetta Code's check). */
START_TEST(the_stream_is_splitmix64)
{
    static const uint64_t words[] = { 6457827717110365317u, 3203168211198807973u, 9817491932198370423u };
    pn_uniforms u = { .rng = NULL, .state = 1234567 };
    for (int i = 0; i < 3; i++) ck_assert(pn_uniforms_next(&u) == (double)(words[i] >> 11) * 0x1p-53);
    ck_assert_uint_eq(pn_uniforms_named("").state, 0xcbf29ce484222325u);
    ck_assert_uint_eq(pn_uniforms_named("a").state, 0xaf63dc4c8601ec8cu);
}
END_TEST

START_TEST(a_generator_gives_the_same_mask_again_and_moves_on)
{
    pn_image classes = classes_of(BANDS, 128, 96), one = image(128, 96), two = image(128, 96), next = image(128, 96);
    for (int kind = PN_HOLE_MIXED; kind <= PN_HOLE_REGION; kind++) {
        pn_rng a = pn_rng_named(5, "holes"), b = a;
        pn_uniforms u = { .rng = &a }, v = { .rng = &b };
        ck_assert_int_eq(pn_hole_draw(pn_test_ctx(), &one, &classes, (pn_hole_kind)kind, PN_HOLE_ON_PERSON, &u), PN_OK);
        ck_assert_int_eq(pn_hole_draw(pn_test_ctx(), &two, &classes, (pn_hole_kind)kind, PN_HOLE_ON_PERSON, &v), PN_OK);
        ck_assert_mem_eq(one.pixels, two.pixels, 128 * 96);
        ck_assert_uint_eq(a.counter, b.counter);
        ck_assert_int_gt(count(&one), 0);
        int same = 0;               /* regions repeat now and then */
        for (int i = 0; i < 8; i++) {
            ck_assert_int_eq(pn_hole_draw(pn_test_ctx(), &next, &classes, (pn_hole_kind)kind, PN_HOLE_ON_PERSON, &u), PN_OK);
            same += memcmp(one.pixels, next.pixels, 128 * 96) == 0;
        }
        ck_assert_int_lt(same, 8);
    }
    pn_image *all[] = { &classes, &one, &two, &next };
    for (int i = 0; i < 4; i++) pn_image_free(pn_test_ctx(), all[i]);
}
END_TEST

START_TEST(a_region_is_whole_classes_one_or_two)
{
    pn_image classes = classes_of(BANDS, 64, 44), mask = image(64, 44);
    pn_rng rng = pn_rng_named(1, "region");
    pn_uniforms u = { .rng = &rng };
    int seen[3] = { 0 };
    for (int round = 0; round < 200; round++) {
        bool in[8] = { false }, out[8] = { false };
        ck_assert_int_eq(pn_hole_draw(pn_test_ctx(), &mask, &classes, PN_HOLE_REGION, PN_HOLE_ON_PERSON, &u), PN_OK);
        for (ptrdiff_t i = 0; i < 64 * 44; i++) (mask.pixels[i] ? in : out)[classes.pixels[i]] = true;
        int chosen = 0;
        for (int c = 0; c < 8; c++) {
            if (in[c] && (out[c] || c == 0)) ck_abort_msg("class %d is masked in part, or is the background", c);
            chosen += in[c];
        }
        ck_assert(chosen == 1 || chosen == 2);
        seen[chosen]++;
    }
    ck_assert_int_gt(seen[1], 60);
    ck_assert_int_gt(seen[2], 60);
    pn_image_free(pn_test_ctx(), &classes);
    pn_image_free(pn_test_ctx(), &mask);
}
END_TEST

static const ptrdiff_t sizes[][2] = { { 256, 176 }, { 256, 256 }, { 128, 96 }, { 33, 40 } };
START_TEST(sides_of_a_rectangle_are_near_half_the_height)
{
    const ptrdiff_t h = sizes[_i][0], w = sizes[_i][1];
    pn_image classes = classes_of(NOBODY, h, w), mask = image(h, w);
    pn_rng rng = pn_rng_named(2, "rect");
    pn_uniforms u = { .rng = &rng };
    for (int round = 0; round < 100; round++) {
        ptrdiff_t top = h, bottom = -1, left = w, right = -1;
        ck_assert_int_eq(pn_hole_draw(pn_test_ctx(), &mask, &classes, PN_HOLE_RECT, PN_HOLE_ANYWHERE, &u), PN_OK);
        for (ptrdiff_t y = 0; y < h; y++)
            for (ptrdiff_t x = 0; x < w; x++) {
                if (!mask.pixels[y * w + x]) continue;
                if (y < top) top = y;
                if (y > bottom) bottom = y;
                if (x < left) left = x;
                if (x > right) right = x;
            }
        const ptrdiff_t tall = bottom - top + 1, wide = right - left + 1, least = h / 2 - 2 * (h / 16);
        ck_assert(tall >= least && tall <= h / 2 && wide >= least && wide <= h / 2);
        ck_assert_int_eq(count(&mask), tall * wide);
    }
    pn_image_free(pn_test_ctx(), &classes);
    pn_image_free(pn_test_ctx(), &mask);
}
END_TEST

START_TEST(a_hole_on_the_person_leaves_the_rest_alone)
{
    const ptrdiff_t h = 128, w = 96, reach = 4;         /* 8 * 128 / 256 */
    pn_image classes = classes_of(CORNER, h, w), mask = image(h, w);
    pn_rng rng = pn_rng_named(3, "place");
    pn_uniforms u = { .rng = &rng };
    bool touched = false;
    for (int round = 0; round < 50; round++) {
        ck_assert_int_eq(pn_hole_draw(pn_test_ctx(), &mask, &classes, PN_HOLE_MIXED, PN_HOLE_ON_PERSON, &u), PN_OK);
        for (ptrdiff_t i = 0; i < h * w; i++)
            if (mask.pixels[i]) {
                ck_assert(i / w < h / 8 + reach && i % w < w / 8 + reach);
                touched = touched || classes.pixels[i] == 0;
            }
    }
    ck_assert(touched);             /* the person is grown */
    pn_image_free(pn_test_ctx(), &classes);
    pn_image_free(pn_test_ctx(), &mask);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    pn_image classes = classes_of(BANDS, 32, 16), mask = image(32, 17);
    pn_uniforms u = pn_uniforms_named("x");
    pn_hole_kind kind = PN_HOLE_STROKE;
    ck_assert_int_eq(pn_hole_draw(pn_test_ctx(), &mask, &classes, PN_HOLE_RECT, PN_HOLE_ANYWHERE, &u), PN_ERR_ARG);
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "the mask is 32x17, 1 channels, and the classes 32x16"));
    ck_assert_int_eq(pn_hole_kind_find(pn_test_ctx(), "circle", &kind), PN_ERR_ARG);
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "'circle' is no kind of hole; take none, mixed, rect, stroke or region"));
    ck_assert_int_eq(kind, PN_HOLE_STROKE);
    ck_assert_int_eq(pn_hole_kind_find(pn_test_ctx(), "region", &kind), PN_OK);
    ck_assert_int_eq(kind, PN_HOLE_REGION);
    pn_image_free(pn_test_ctx(), &classes);
    pn_image_free(pn_test_ctx(), &mask);
}
END_TEST

START_TEST(the_hole_of_a_score_follows_from_the_files_name)
{
    pn_image classes = classes_of(BANDS, 64, 48), mask[3] = { image(64, 48), image(64, 48), image(64, 48) };
    static const char *const names[] = { "a.jpg", "women/a.jpg", "b.jpg" };
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pn_hole_named(pn_test_ctx(), &mask[i], &classes, PN_HOLE_STROKE, names[i]), PN_OK);
    pn_image same = image(64, 48);
    pn_uniforms u = pn_uniforms_named("a.jpg");
    ck_assert_int_eq(pn_hole_draw(pn_test_ctx(), &same, &classes, PN_HOLE_STROKE, PN_HOLE_ON_PERSON, &u), PN_OK);
    ck_assert_mem_eq(mask[0].pixels, same.pixels, 64 * 48);
    ck_assert_mem_eq(mask[1].pixels, same.pixels, 64 * 48);
    ck_assert_mem_ne(mask[2].pixels, same.pixels, 64 * 48);
    for (int i = 0; i < 3; i++) pn_image_free(pn_test_ctx(), &mask[i]);
    pn_image_free(pn_test_ctx(), &same);
    pn_image_free(pn_test_ctx(), &classes);
}
END_TEST

TCase *holes_cases(void)
{
    TCase *tc = tcase_create("holes");
    tcase_add_loop_test(tc, another_program_draws_the_same_bits, 0, EXPECTED);
    tcase_add_test(tc, the_stream_is_splitmix64);
    tcase_add_test(tc, a_generator_gives_the_same_mask_again_and_moves_on);
    tcase_add_test(tc, a_region_is_whole_classes_one_or_two);
    tcase_add_loop_test(tc, sides_of_a_rectangle_are_near_half_the_height, 0, 4);
    tcase_add_test(tc, a_hole_on_the_person_leaves_the_rest_alone);
    tcase_add_test(tc, what_does_not_fit_is_refused);
    tcase_add_test(tc, the_hole_of_a_score_follows_from_the_files_name);
    return tc;
}
