/* tests/data/test_mistakes.c - lib/data/mistakes.c */
#include "support/pntest.h"

#include "posenet/data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { H = 64, W = 48 };

/* Four classes, a quarter of the height each; the last is background. */
static pn_image bands(void)
{
    static const uint8_t label[] = { 2, 5, 9, 0 };
    pn_image made;
    ck_assert_int_eq(pn_image_new(pn_test_ctx(), H, W, 1, &made), PN_OK);
    for (int i = 0; i < H * W; i++) made.pixels[i] = label[i / (H / 4 * W)];
    return made;
}

static pn_image spoilt(double share, const char *name)
{
    pn_image made = bands();
    pn_uniforms u = pn_uniforms_named(name);
    ck_assert_int_eq(pn_labels_mistake(pn_test_ctx(), &made, share, &u), PN_OK);
    return made;
}

static int differing(const pn_image *a, const pn_image *b)
{
    int n = 0;
    for (int i = 0; i < H * W; i++) n += a->pixels[i] != b->pixels[i];
    return n;
}

static const char *name_of(int i)
{
    static char name[32];
    snprintf(name, sizeof name, "picture%d.png", i);
    return name;
}

START_TEST(no_share_leaves_maps_alone)
{
    pn_image right = bands(), same = spoilt(0, "a.png");
    ck_assert_int_eq(differing(&right, &same), 0);
    pn_image_free(pn_test_ctx(), &right);
    pn_image_free(pn_test_ctx(), &same);
}
END_TEST

/* Of 3 x 400 classes about 240 are spoilt; each lies in its band, so that what became of it can be read off. */
START_TEST(a_share_of_the_classes_is_spoilt_in_each_of_three_ways)
{
    int intact = 0, missing = 0, swapped = 0, moved = 0;
    pn_image right = bands();
    for (int i = 0; i < 400; i++) {
        pn_image made = spoilt(0.2, name_of(i));
        for (int band = 0; band < 3; band++) {
            const uint8_t was = right.pixels[band * H / 4 * W];
            int same = 0, none = 0, other = 0;
            for (int p = band * H / 4 * W; p < (band + 1) * H / 4 * W; p++) {
                same += made.pixels[p] == was;
                none += made.pixels[p] == 0;
                other += made.pixels[p] != was && made.pixels[p] != 0;
            }
            const int all = H / 4 * W;
            if (same >= all * 3 / 5 && same < all && none) moved++;
            else if (same > all / 2) intact++;
            else if (none > all / 2) missing++;
            else if (other > all / 2) swapped++;
        }
        pn_image_free(pn_test_ctx(), &made);
    }
    ck_assert_int_eq(intact + missing + swapped + moved, 1200);
    ck_assert_int_gt(intact, 900);
    ck_assert_int_lt(intact, 1010);
    ck_assert_int_gt(missing, 50);
    ck_assert_int_gt(swapped, 50);
    ck_assert_int_gt(moved, 50);
    pn_image_free(pn_test_ctx(), &right);
}
END_TEST

START_TEST(a_larger_share_keeps_the_mistakes_of_a_smaller_one)
{
    pn_image right = bands();
    int before = 0, none = 0;
    for (int i = 0; i < 100; i++) {
        pn_image few = spoilt(0.1, name_of(i)), again = spoilt(0.1, name_of(i)), many = spoilt(0.4, name_of(i));
        ck_assert_int_eq(differing(&few, &again), 0);
        before += differing(&right, &few);
        none += differing(&right, &many) > 0 && differing(&right, &few) == 0;
        if (differing(&right, &few) > 0) ck_assert_int_gt(differing(&right, &many), 0);
        pn_image_free(pn_test_ctx(), &few);
        pn_image_free(pn_test_ctx(), &again);
        pn_image_free(pn_test_ctx(), &many);
    }
    ck_assert_int_gt(before, 0);
    ck_assert_int_gt(none, 0);
    pn_image_free(pn_test_ctx(), &right);
}
END_TEST

START_TEST(the_only_class_of_a_map_has_none_to_take_the_label_of)
{
    for (int i = 0; i < 40; i++) {
        pn_image one = bands();
        for (int p = 0; p < H * W; p++) one.pixels[p] = one.pixels[p] == 5 ? 5 : 0;
        pn_uniforms u = pn_uniforms_named(name_of(i));
        ck_assert_int_eq(pn_labels_mistake(pn_test_ctx(), &one, 1, &u), PN_OK);
        for (int p = 0; p < H * W; p++) ck_assert(one.pixels[p] == 0 || one.pixels[p] == 5);
        pn_image_free(pn_test_ctx(), &one);
    }
}
END_TEST

START_TEST(nonsense_is_refused)
{
    pn_image map = bands(), colour;
    pn_uniforms u = pn_uniforms_named("a.png");
    size_t files;
    ck_assert_int_eq(pn_labels_mistake(pn_test_ctx(), &map, 1.5, &u), PN_ERR_ARG);
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(pn_test_ctx()), "share is 1.5, expected 0 to 1"));
    ck_assert_int_eq(pn_labels_mistake(pn_test_ctx(), &map, (double)NAN, &u), PN_ERR_ARG);
    ck_assert_int_eq(pn_image_new(pn_test_ctx(), 4, 4, 3, &colour), PN_OK);
    ck_assert_int_eq(pn_labels_mistake(pn_test_ctx(), &colour, 0.5, &u), PN_ERR_ARG);
    ck_assert_int_ne(pn_labels_mistake_folder(pn_test_ctx(), "/nowhere", "/nowhere/else", 0.5, &files), PN_OK);
    pn_image_free(pn_test_ctx(), &map);
    pn_image_free(pn_test_ctx(), &colour);
}
END_TEST

TCase *mistakes_of_labels_cases(void)
{
    TCase *tc = tcase_create("mistakes_of_labels");
    tcase_add_test(tc, no_share_leaves_maps_alone);
    tcase_add_test(tc, a_share_of_the_classes_is_spoilt_in_each_of_three_ways);
    tcase_add_test(tc, a_larger_share_keeps_the_mistakes_of_a_smaller_one);
    tcase_add_test(tc, the_only_class_of_a_map_has_none_to_take_the_label_of);
    tcase_add_test(tc, nonsense_is_refused);
    return tc;
}
