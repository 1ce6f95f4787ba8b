/* tests/io/test_npy.c - lib/io/npy.c */
#include "data/scratch.h"

#include <stdio.h>
#include <string.h>

/* An .npy file of version 1 with this header and these bytes. */
static pn_status decode(const char *header, const void *bytes, size_t size, pn_shape *shape, float **values)
{
    uint8_t file[512];
    const size_t n = strlen(header);
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = (uint8_t)n;
    file[9] = (uint8_t)(n >> 8);
    memcpy(file + 10, header, n);
    memcpy(file + 10 + n, bytes, size);
    return pn_npy_decode(scratch_ctx(), "x.npy", &(pn_bytes){ file, 10 + n + size }, shape, values);
}

START_TEST(what_was_written_comes_back)
{
    const float in[6] = { 1.5f, -2, 3e30f, 4, 5, 6 };
    pn_shape shape;
    float *values;
    assert_works(pn_npy_write(scratch_ctx(), scratch_path("a.npy"), pn_shape3(1, 2, 3), in));
    assert_works(pn_npy_read(scratch_ctx(), scratch_path("a.npy"), &shape, &values));
    ck_assert(pn_shape_equal(shape, pn_shape3(1, 2, 3)));
    ck_assert_mem_eq(values, in, sizeof in);
    const pn_bytes file = scratch_read(scratch_path("a.npy"));
    ck_assert_int_eq((file.size - sizeof in) % 64, 0);
    ck_assert_ptr_nonnull(strstr((const char *)file.bytes + 10, "'shape': (1, 2, 3), }"));
    assert_works(pn_npy_write(scratch_ctx(), scratch_path("b.npy"), pn_shape1(6), in));
    assert_works(pn_npy_read(scratch_ctx(), scratch_path("b.npy"), &shape, &values));
    ck_assert(pn_shape_equal(shape, pn_shape1(6)));
}
END_TEST

START_TEST(every_type_of_the_field_is_converted)
{
    static const struct { const char *descr; uint8_t bytes[8]; size_t size; float value; } types[] = {
        { "<f4", { 0, 0, 0xc0, 0xbf }, 4, -1.5f }, { "<f8", { 0, 0, 0, 0, 0, 0, 0xf8, 0xbf }, 8, -1.5f },
        { "<f2", { 0x00, 0xbe }, 2, -1.5f },       { "|u1", { 200 }, 1, 200 },
        { "|i1", { 200 }, 1, -56 },                { "<i2", { 0xfe, 0xff }, 2, -2 },
        { "<i4", { 0xfe, 0xff, 0xff, 0xff }, 4, -2 }, { "<i8", { 0xfe, 255, 255, 255, 255, 255, 255, 255 }, 8, -2 },
        { "|b1", { 1 }, 1, 1 },
    };
    char header[128];
    pn_shape shape;
    float *values;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (), }\n", types[i].descr);
        assert_works(decode(header, types[i].bytes, types[i].size, &shape, &values));
        ck_assert_int_eq(shape.rank, 0);
        ck_assert_float_eq(values[0], types[i].value);
    }
}
END_TEST

START_TEST(column_order_is_turned)
{
    pn_shape shape;
    float *values;
    assert_works(
        decode("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", "\1\4\2\5\3\6", 6, &shape, &values));
    for (int i = 0; i < 6; i++) ck_assert_float_eq(values[i], (float)(i + 1));
}
END_TEST

START_TEST(what_cannot_be_is_refused_with_advice)
{
    static const struct { const char *header, *part; } bad[] = {
        { "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "the npy type is '<c8'" },
        { "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "astype" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (9,), }", "needs more bytes" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "too large" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,), }", "too large" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1), }", "more than 5 dimensions" },
        { "{'descr': '|u1', 'fortran_order': False, }", "missing" },
        { "{'descr': '|u1', 'fortran_order': Maybe, 'shape': (1,), }", "neither True nor False" },
        { "{'descr': '|u1', 'fortran_order': False, 'shape': (1,", "npy header is broken" },
        { "", "npy header is broken" },
    };
    pn_shape shape;
    float *values;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(decode(bad[i].header, "\1\2\3\4", 4, &shape, &values), PN_ERR_FORMAT, bad[i].part);
    scratch_write("x.npy", "not numpy at all");
    assert_fails(pn_npy_read(scratch_ctx(), scratch_path("x.npy"), &shape, &values), PN_ERR_FORMAT,
                 "x.npy: not a numpy array");
}
END_TEST

TCase *npy_cases(void)
{
    TCase *tc = tcase_create("npy");
    tcase_add_test(tc, what_was_written_comes_back);
    tcase_add_test(tc, every_type_of_the_field_is_converted);
    tcase_add_test(tc, column_order_is_turned);
    tcase_add_test(tc, what_cannot_be_is_refused_with_advice);
    return tc;
}
