/* tests/core/test_text.c - lib/core/text.c: how far one name is from another */
#include "posenet.h"

#include <check.h>
#include <string.h>

START_TEST(a_distance_counts_letters_changed_added_and_dropped)
{
    static const struct { const char *a, *b; size_t distance; } known[] = {
        { "", "", 0 },          { "steps", "steps", 0 },        { "", "lr", 2 },        { "lr", "", 2 },
        { "stepps", "steps", 1 }, { "stps", "steps", 1 },       { "stile", "style", 1 },
        { "bsae", "base", 2 },  { "kitten", "sitting", 3 },     { "abc", "xyz", 3 },    { "saturday", "sunday", 3 },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ck_assert_uint_eq(pn_name_distance(known[i].a, known[i].b), known[i].distance);
        ck_assert_uint_eq(pn_name_distance(known[i].b, known[i].a), known[i].distance);
    }
}
END_TEST

START_TEST(only_the_first_64_letters_of_a_name_count)
{
    char a[100], b[200];
    memset(a, 'a', sizeof a);
    memset(b, 'a', sizeof b);
    a[99] = b[199] = 0;
    b[64] = 'b';
    ck_assert_uint_eq(pn_name_distance(a, b), 0);
    b[63] = 'b';
    ck_assert_uint_eq(pn_name_distance(a, b), 1);
    ck_assert_uint_eq(pn_name_distance(b, ""), 64);
    ck_assert_uint_eq(pn_name_distance("", a), 64);
}
END_TEST

TCase *text_cases(void)
{
    TCase *tc = tcase_create("text");
    tcase_add_test(tc, a_distance_counts_letters_changed_added_and_dropped);
    tcase_add_test(tc, only_the_first_64_letters_of_a_name_count);
    return tc;
}
