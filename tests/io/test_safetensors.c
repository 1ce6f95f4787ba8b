/* tests/io/test_safetensors.c - lib/io/safetensors.c */
#include "data/scratch.h"

#include <math.h>
#include <string.h>

/* A file with this JSON header and this many bytes of tensors, 0, 1, 2, … */
static pn_status parse(const char *header, size_t data, pn_safetensors *out)
{
    const size_t n = strlen(header);
    pn_bytes file = { pn_alloc(scratch_ctx(), n + data + 8, 1), n + data + 8 };
    file.bytes[0] = (uint8_t)n;
    file.bytes[1] = (uint8_t)(n >> 8);
    memcpy(file.bytes + 8, header, n);
    for (size_t i = 0; i < data; i++) file.bytes[8 + n + i] = (uint8_t)i;
    return pn_safetensors_parse(scratch_ctx(), "w.safetensors", &file, out);
}

static const float weights[6] = { 1, 2.5f, -3, 4, 5, 6 };
static const int64_t steps[2] = { 1, (int64_t)1 << 40 };

static void write_sample(const char *path)
{
    const pn_real reals[2] = { (pn_real)0.25, (pn_real)-8 };
    const pn_st_item items[] = {
        { .name = "net.weight", .shape = { 2, { 2, 3 } }, .floats = weights },
        { .name = "net.bias", .shape = { 1, { 2 } }, .reals = reals },
        { .name = "steps", .shape = { 1, { 2 } }, .integers = steps },
        { .name = "labels", .shape = { 1, { 3 } }, .bytes = (const uint8_t *)"abc" },
    };
    const pn_st_note notes[] = { { "model", "gfla" }, { "quote", "a \"b\"\n" } };
    assert_works(pn_safetensors_write(scratch_ctx(), path, items, 4, notes, 2));
}

START_TEST(what_was_written_comes_back)
{
    pn_safetensors f;
    write_sample(scratch_path("a.safetensors"));
    assert_works(pn_safetensors_read(scratch_ctx(), scratch_path("a.safetensors"), &f));
    ck_assert_uint_eq(f.count, 4);
    const pn_st_tensor *t = pn_safetensors_find(&f, "net.weight");
    ck_assert(pn_shape_equal(t->shape, pn_shape2(2, 3)));
    ck_assert_mem_eq(t->bytes, weights, sizeof weights);
    float bias[2];
    pn_st_floats(pn_safetensors_find(&f, "net.bias"), 0, 2, bias);
    ck_assert_float_eq(bias[1], -8);
    int64_t back[2];
    pn_st_integers(pn_safetensors_find(&f, "steps"), 0, 2, back);
    ck_assert(back[1] == steps[1]);
    ck_assert_ptr_null(pn_safetensors_find(&f, "net"));
    ck_assert_str_eq(pn_safetensors_note(&f, "quote"), "a \"b\"\n");
    ck_assert_int_eq(f.file.bytes[0] % 8, 0);
    pn_safetensors_free(scratch_ctx(), &f);
}
END_TEST

START_TEST(a_flipped_bit_is_noticed)
{
    pn_safetensors f;
    write_sample(scratch_path("a.safetensors"));
    pn_bytes file = scratch_read(scratch_path("a.safetensors"));
    file.bytes[file.size - 20] ^= 4;
    scratch_write_bytes("b.safetensors", file.bytes, file.size);
    assert_fails(pn_safetensors_read(scratch_ctx(), scratch_path("b.safetensors"), &f), PN_ERR_FORMAT, "checksum");
    for (size_t n = 0; n < file.size; n += 7) {
        scratch_write_bytes("c.safetensors", file.bytes, n);
        assert_fails(pn_safetensors_read(scratch_ctx(), scratch_path("c.safetensors"), &f), PN_ERR_FORMAT,
                     "c.safetensors: ");
    }
}
END_TEST

START_TEST(half_bfloat_double_and_integer_types_are_converted)
{
    static const char header[] = "{\"h\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
                                 "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[4,8]},"
                                 "\"e\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[8,8]},"
                                 "\"s\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[8,9]}}";
    pn_safetensors f;
    float v[2];
    assert_works(parse(header, 9, &f));
    pn_st_floats(pn_safetensors_find(&f, "h"), 0, 2, v);
    ck_assert_float_eq(v[0], ldexpf(256, -24));                          /* 0x0100, subnormal */
    ck_assert_float_eq(v[1], ldexpf(770, -24));                          /* 0x0302 */
    pn_st_floats(pn_safetensors_find(&f, "b"), 0, 2, v);
    ck_assert(v[0] > 0 && v[0] < 1e-30f);
    pn_st_floats(pn_safetensors_find(&f, "s"), 0, 1, v);
    ck_assert_float_eq(v[0], 8);
    ck_assert_int_eq(pn_safetensors_find(&f, "e")->count, 0);
}
END_TEST

START_TEST(a_lying_header_is_refused_by_tensor_name)
{
    static const struct { const char *header, *part;
    } bad[] = {
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
          "\"data_offsets\":[4,8]}}",
          "tensor 'b' shares bytes" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[9],\"data_offsets\":[0,36]}}", "tensor 'a' lies outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", "do not fit its shape" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],\"data_offsets\":[0,0]}}", "cannot be" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "cannot be" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", "cannot be" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", "lies outside" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1e300,4]}}", "no data_offsets" },
        { "{\"a\":{\"dtype\":\"F8_E5M2\",\"shape\":[1],\"data_offsets\":[0,1]}}", "save it as F32" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1],\"data_offsets\":[0,4]}}", "more than 5 dimensions" },
        { "{\"a\":3}", "tensor 'a' has no dtype" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_"
          "offsets\":[1,2]}}",
          "twice" },
        { "{\"__metadata__\":{\"n\":1}}", "is not a text" },
        { "[1,2]", "not a JSON object" },
        { "{", "not JSON" },
    };
    pn_safetensors f;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(parse(bad[i].header, 8, &f), PN_ERR_FORMAT, bad[i].part);
}
END_TEST

START_TEST(another_kind_of_file_is_refused)
{
    pn_safetensors f;
    scratch_write("net.zip", "PK\3\4 and much more of a zip file");
    assert_fails(pn_safetensors_read(scratch_ctx(), scratch_path("net.zip"), &f), PN_ERR_FORMAT,
                 "net.zip: not a safetensors file");
}
END_TEST

TCase *safetensors_cases(void)
{
    TCase *tc = tcase_create("safetensors");
    tcase_add_test(tc, what_was_written_comes_back);
    tcase_add_test(tc, a_flipped_bit_is_noticed);
    tcase_add_test(tc, half_bfloat_double_and_integer_types_are_converted);
    tcase_add_test(tc, a_lying_header_is_refused_by_tensor_name);
    tcase_add_test(tc, another_kind_of_file_is_refused);
    return tc;
}
