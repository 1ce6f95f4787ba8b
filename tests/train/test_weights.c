/* tests/train/test_weights.c - lib/train/weights.c: weight files of either kind, loaded, told about, written again */
#include "data/scratch.h"
#include "posenet/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FILES PN_TEST_DATA "/io/torch/"

static pn_weights *opened(const char *path)
{
    pn_weights *w = pn_weights_open(scratch_ctx(), path);
    if (!w) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return w;
}

/* ---- Opening ------------------------------------------------------------------------------------------------- */

START_TEST(the_kind_of_a_file_is_that_of_its_bytes)
{
    static const char *const from[] = { FILES "net_zip.pth", FILES "net_legacy.pth", FILES "net_zip.safetensors" };
    pn_bytes file = scratch_read(from[_i]);
    scratch_write_bytes("any.name", file.bytes, file.size);
    pn_weights *w = opened(scratch_path("any.name"));
    ck_assert_int_eq(pn_weights_count(w), 8);
    ck_assert_str_eq(pn_weights_name(w, 1), "0.weight");
    ck_assert(pn_shape_equal(pn_weights_shape(w, "0.weight"), pn_shape4(4, 3, 3, 3)));
    ck_assert_str_eq(pn_weights_type(w, "0.weight"), "F32");
    ck_assert_str_eq(pn_weights_type(w, "1.num_batches_tracked"), "I64");
    ck_assert_ptr_null(pn_weights_type(w, "1"));
    ck_assert_ptr_null(pn_weights_note(w, "model"));
    pn_weights_free(w);
    pn_free(scratch_ctx(), file.bytes);
}
END_TEST

START_TEST(neither_kind_is_said_to_be_neither)
{
    scratch_write("page.pth", "<!DOCTYPE html><html>not what you wanted to fetch</html>");
    ck_assert_ptr_null(pn_weights_open(scratch_ctx(), scratch_path("page.pth")));
    assert_fails(pn_ctx_status(scratch_ctx()), PN_ERR_FORMAT, "page.pth: not a safetensors file, or cut off");
}
END_TEST

START_TEST(module_is_left_out_where_every_name_has_it)
{
    pn_weights *w = opened(FILES "module_zip.pth");
    ck_assert_str_eq(pn_weights_name(w, 1), "0.weight");
    ck_assert_int_eq(pn_weights_shape(w, "2.weight").rank, 2);
    ck_assert_ptr_nonnull(
        strstr(scratch_log(), "module_zip.pth: every name begins with 'module.', which is left out\n"));
    pn_weights_free(w);

    const pn_st_item some[] = { { .name = "module.a", .shape = { 1, { 1 } }, .floats = (float[]){ 1 } },
                                { .name = "other", .shape = { 1, { 1 } }, .floats = (float[]){ 2 } } };
    assert_works(pn_safetensors_write(scratch_ctx(), scratch_path("some.safetensors"), some, 2, NULL, 0));
    w = opened(scratch_path("some.safetensors"));
    ck_assert_str_eq(pn_weights_name(w, 0), "module.a");
    pn_weights_free(w);
}
END_TEST

START_TEST(the_state_dict_inside_a_training_file_is_named)
{
    pn_weights_free(opened(FILES "nested_legacy.pth"));
    ck_assert_ptr_nonnull(strstr(scratch_log(), "nested_legacy.pth: the weights are those under 'state_dict'\n"));
}
END_TEST

/* ---- Writing again ------------------------------------------------------------------------------------------- */

START_TEST(saved_as_safetensors_every_bit_is_there)
{
    static const char *const names[] = { "types_zip", "types_legacy", "views_zip", "views_legacy", "deflated" };
    char path[512];
    pn_safetensors made, twin;
    snprintf(path, sizeof path, FILES "%s.pth", names[_i]);
    pn_weights *w = opened(path);
    assert_works(pn_weights_save(w, scratch_path("made.safetensors")));
    pn_weights_free(w);
    snprintf(path, sizeof path, FILES "%s.safetensors", names[_i]);
    assert_works(pn_safetensors_read(scratch_ctx(), path, &twin));
    assert_works(pn_safetensors_read(scratch_ctx(), scratch_path("made.safetensors"), &made));
    ck_assert_uint_eq(made.count, twin.count);
    for (size_t i = 0; i < twin.count; i++) {
        const pn_st_tensor *a = &made.tensors[i], *b = &twin.tensors[i];
        ck_assert_str_eq(a->name, b->name);
        ck_assert(a->dtype == b->dtype && pn_shape_equal(a->shape, b->shape) && a->size == b->size);
        ck_assert(a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
    }
    ck_assert_str_eq(pn_safetensors_note(&made, "format"), "pt");
    pn_safetensors_free(scratch_ctx(), &made);
    pn_safetensors_free(scratch_ctx(), &twin);
}
END_TEST

START_TEST(saved_again_notes_stay_and_the_checksum_is_new)
{
    const pn_st_item item = { .name = "a", .shape = { 1, { 2 } }, .floats = (float[]){ 1, 2 } };
    const pn_st_note note = { "model", "gfla" };
    assert_works(pn_safetensors_write(scratch_ctx(), scratch_path("a.safetensors"), &item, 1, &note, 1));
    pn_weights *w = opened(scratch_path("a.safetensors"));
    assert_works(pn_weights_save(w, scratch_path("b.safetensors")));
    pn_weights_free(w);
    pn_bytes a = scratch_read(scratch_path("a.safetensors")), b = scratch_read(scratch_path("b.safetensors"));
    ck_assert_uint_eq(a.size, b.size);
    ck_assert_mem_eq(a.bytes, b.bytes, a.size);
    pn_free(scratch_ctx(), a.bytes);
    pn_free(scratch_ctx(), b.bytes);
}
END_TEST

START_TEST(a_refused_request_for_memory_is_reported_and_leaks_nothing)
{
    const char *made = scratch_path("none.safetensors");
    scratch_ctx();
    const size_t live = scratch_live();
    for (long k = 1;; k++) {
        scratch_fail_at(k);
        pn_weights *w = pn_weights_open(scratch_ctx(), FILES "views_zip.pth");
        const pn_status status = w ? pn_weights_save(w, made) : pn_ctx_status(scratch_ctx());
        pn_weights_free(w);
        const bool refused = scratch_fail_at(0) < 0;
        ck_assert_uint_eq(scratch_live(), live);
        ck_assert_int_eq(status != PN_OK, refused);
        if (!refused) break;
    }
    ck_assert(pn_file_exists(scratch_ctx(), made));
}
END_TEST

/* ---- Loading, and what is said about it ------------------------------------------------------------------------ */

static const pn_init zero = { PN_INIT_CONSTANT, 0 };

static void is_near(const pn_params *p, const char *name, const pn_safetensors *twin, double tolerance)
{
    const pn_tensor *t = pn_params_find(p, name);
    const pn_st_tensor *wanted = pn_safetensors_find(twin, name);
    for (ptrdiff_t i = 0; i < wanted->count; i++) {
        double w;
        pn_st_doubles(wanted, i, 1, &w);
        ck_assert_double_le(fabs((double)pn_param_data(t)[i] - w), tolerance);
    }
}

START_TEST(a_missing_v_of_spectral_norm_is_half_a_power_iteration)
{
    pn_params *p = pn_params_new(scratch_ctx());
    pn_param(p, "conv.bias", pn_shape1(5), zero);
    pn_param(p, "conv.weight_orig", pn_shape4(5, 3, 2, 2), zero);
    pn_state(p, "conv.weight_u", pn_shape1(5), zero);
    pn_state(p, "conv.weight_v", pn_shape1(12), zero);
    pn_weights *w = opened(FILES "spectral_old.pth");
    pn_load_report found;
    assert_works(pn_weights_load(w, "", p, PN_LOAD_EXACT, &found));
    ck_assert_int_eq(found.loaded, 4);
    ck_assert_int_eq(found.missing + found.mismatched, 0);
    pn_safetensors twin;
    assert_works(pn_safetensors_read(scratch_ctx(), FILES "spectral_old.safetensors", &twin));
    is_near(p, "conv.bias", &twin, 0);
    is_near(p, "conv.weight_orig", &twin, 0);
    is_near(p, "conv.weight_u", &twin, 0);
    is_near(p, "conv.weight_v", &twin, 1e-7); /* the twin's is rounded to float */
    pn_weights_report(w, "the discriminator", &(pn_part){ .prefix = "", .params = p }, 1, 1);
    ck_assert_ptr_nonnull(
        strstr(scratch_log(), "4 tensors loaded, 0 not there, 0 of another shape, for the discriminator\n"));
    ck_assert_ptr_null(strstr(scratch_log(), "left over")); /* conv.weight, the divided one, is known */
    pn_safetensors_free(scratch_ctx(), &twin);
    pn_weights_free(w);
    pn_params_free(p);
}
END_TEST

START_TEST(a_v_that_cannot_be_recomputed_is_missing)
{
    pn_params *p = pn_params_new(scratch_ctx());
    pn_state(p, "conv.weight_v", pn_shape1(11), zero);
    pn_weights *w = opened(FILES "spectral_old.pth");
    assert_fails(pn_weights_load(w, "", p, PN_LOAD_EXACT, NULL), PN_ERR_SHAPE, "conv.weight_v is missing");
    pn_weights_free(w);
    pn_params_free(p);
}
END_TEST

static void log_of(const char *file, const pn_part parts[], int n, int loaded, const char *wanted)
{
    pn_weights *w = opened(file);
    const size_t before = strlen(scratch_log());
    pn_weights_report(w, "the net", parts, n, loaded);
    const char *said = scratch_log() + before;
    if (!strstr(said, wanted)) ck_abort_msg("'%s' is not in:\n%s", wanted, said);
    pn_weights_free(w);
}

/* net_zip holds 0.*, 1.* and 2.weight. */
START_TEST(a_report_says_what_matched_what_was_missing_and_what_is_left_over)
{
    pn_params *p = pn_params_new(scratch_ctx()), *d = pn_params_new(scratch_ctx());
    const pn_part parts[] = { { .prefix = "", .params = p }, { .prefix = "D/", .params = d } };
    pn_param(p, "0.bias", pn_shape1(4), zero);
    pn_param(p, "0.weight", pn_shape4(4, 3, 3, 3), zero);
    pn_param(d, "conv.weight", pn_shape1(1), zero);
    log_of(FILES "net_zip.pth", parts, 2, 2,
           "net_zip.pth: 2 tensors loaded, 0 not there, 0 of another shape, for the net\n");
    log_of(FILES "net_zip.pth", parts, 2, 2,
           "net_zip.pth: 0 tensors loaded, 1 not there, 0 of another shape, for D/\n");
    log_of(FILES "net_zip.pth", parts, 2, 2, "net_zip.pth: 6 left over, not used: 1 (5), 2 (1)\n");
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "head.%d.weight", i);
        pn_param(p, name, pn_shape1(4), zero);
    }
    log_of(FILES "net_zip.pth", parts, 2, 1,
           "not there, these keep their values: head (4); that is usual for weights of an earlier stage\n");
    pn_param(p, "1.gone", pn_shape1(4), zero);
    pn_param(p, "1.weight", pn_shape1(4), zero);
    log_of(FILES "net_zip.pth", parts, 2, 1, "not there, these keep their values: head (4), 1 (1)\n");
    pn_param(p, "2.weight", pn_shape2(4, 2), zero);
    log_of(FILES "net_zip.pth", parts, 2, 1, "of another shape, these keep their values: 2.weight\n");
    log_of(FILES "net_zip.pth", parts, 2, 1, "left over, not used: 1 (4)\n");
    pn_params_free(p);
    pn_params_free(d);
}
END_TEST

TCase *weights_cases(void)
{
    TCase *tc = tcase_create("weights");
    tcase_add_loop_test(tc, the_kind_of_a_file_is_that_of_its_bytes, 0, 3);
    tcase_add_test(tc, neither_kind_is_said_to_be_neither);
    tcase_add_test(tc, module_is_left_out_where_every_name_has_it);
    tcase_add_test(tc, the_state_dict_inside_a_training_file_is_named);
    tcase_add_loop_test(tc, saved_as_safetensors_every_bit_is_there, 0, 5);
    tcase_add_test(tc, saved_again_notes_stay_and_the_checksum_is_new);
    tcase_add_test(tc, a_refused_request_for_memory_is_reported_and_leaks_nothing);
    tcase_add_test(tc, a_missing_v_of_spectral_norm_is_half_a_power_iteration);
    tcase_add_test(tc, a_v_that_cannot_be_recomputed_is_missing);
    tcase_add_test(tc, a_report_says_what_matched_what_was_missing_and_what_is_left_over);
    return tc;
}
