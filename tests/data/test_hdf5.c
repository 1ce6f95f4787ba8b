/* tests/data/test_hdf5.c - views out of an HDF5 file that libhdf5 itself wrote; in a build without it, what is said then */
#include "data/scratch.h"
#include "io/hdf5.h"
#include "posenet/views.h"

#include <stdio.h>
#include <string.h>

#ifndef PN_HDF5

START_TEST(a_build_without_hdf5_says_what_to_install)
{
    printf("skipped: reading of HDF5 files; this build is without libhdf5\n");
    scratch_write("set/id_car_train.txt", "m_0_0\n");
    scratch_write("set/data_car.hdf5", "whatever");
    ck_assert(!pn_hdf5_built());
    ck_assert_ptr_null(pn_views_open(scratch_ctx(), scratch_path("set"), "train"));
    const char *said = pn_ctx_message(scratch_ctx());
    ck_assert_int_eq(pn_ctx_status(scratch_ctx()), PN_ERR_IO);
    ck_assert_msg(strstr(said, "data_car.hdf5: this build cannot read HDF5") && strstr(said, "libhdf5-dev"), "%s", said);
}
END_TEST

TCase *hdf5_cases(void)
{
    TCase *tc = tcase_create("hdf5");
    tcase_add_test(tc, a_build_without_hdf5_says_what_to_install);
    return tc;
}

#else

#include <hdf5.h>

enum { H = 6, W = 8, N = 3 * H * W };

/* ---- Writing -------------------------------------------------------------------------------------------------------- */

/* rank 0: the group gets no such value */
typedef struct { hid_t type; int rank; hsize_t dim[4]; const void *data; } values;

static void put(hid_t group, const char *name, const values *v)
{
    if (!v->type) return;
    const hid_t space = v->rank ? H5Screate_simple(v->rank, v->dim, NULL) : H5Screate(H5S_SCALAR);
    const hid_t set = H5Dcreate2(group, name, v->type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_int_ge((int)H5Dwrite(set, v->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, v->data), 0);
    H5Dclose(set);
    H5Sclose(space);
}

static void put_view(hid_t file, const char *name, const values *image, const values *pose)
{
    const hid_t group = H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert(group >= 0);
    put(group, "image", image);
    put(group, "pose", pose);
    H5Gclose(group);
}

static hid_t begin(const char *path)
{
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert(file >= 0);
    return file;
}

static uint8_t pixel(int view, int i) { return (uint8_t)(31 * view + 7 * i); }

/* Views m_0_0, m_2_0 … of one object: bytes, as numpy writes them. */
static void write_car(const char *path, int views)
{
    const hid_t file = begin(path);
    for (int a = 0; a < views; a++) {
        uint8_t bytes[N];
        const int64_t at[2] = { 2 * a, 0 };
        char name[32];
        for (int i = 0; i < N; i++) bytes[i] = pixel(a, i);
        snprintf(name, sizeof name, "m_%d_0", 2 * a);
        put_view(file, name, &(values){ H5T_STD_U8LE, 3, { H, W, 3 }, bytes }, &(values){ H5T_STD_I64LE, 1, { 2 }, at });
    }
    H5Fclose(file);
}

static const char *car(void)
{
    scratch_write("set/id_car_train.txt", "m_4_0\nm_0_0\nm_2_0\n");
    char path[512];                                     /* scratch_path's names do not last */
    snprintf(path, sizeof path, "%s", scratch_path("set/data_car.hdf5"));
    write_car(path, 3);
    return scratch_path("set");
}

/* ---- Reading -------------------------------------------------------------------------------------------------------- */

START_TEST(views_of_an_hdf5_file_are_those_of_a_folder)
{
    float packed[N], unpacked[N];
    pn_views *v = pn_views_open(scratch_ctx(), car(), "train");
    if (!v) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    ck_assert_int_eq((int)pn_views_count(v), 3);
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), H, W, 3, &image));
    for (int i = 0; i < N; i++) image.pixels[i] = pixel(2, i);
    pn_image_to_floats(&image, unpacked);
    assert_works(pn_views_picture(v, 0, H, W, packed));
    ck_assert_int_eq(memcmp(packed, unpacked, sizeof packed), 0);
    pn_image_free(scratch_ctx(), &image);
    pn_views_free(v);
}
END_TEST

START_TEST(three_threads_read_what_one_reads)
{
    char why[256];
    const char *folder = car();
    pn_ctx *three = pn_ctx_new(&(pn_ctx_opt){ .threads = 3 }, why);
    pn_views *a = pn_views_open(scratch_ctx(), folder, "train"), *b = pn_views_open(three, folder, "train");
    const pn_view_loader_opt opt = { .batch = 3, .height = 32, .width = 32, .order = PN_SHUFFLED, .seed = 5 };
    pn_view_loader *one = pn_view_loader_new(a, &opt, NULL), *many = pn_view_loader_new(b, &opt, NULL);
    for (int n = 0; n < 20; n++) {
        pn_view_batch x, y;
        assert_works(pn_view_loader_next(one, &x));
        ck_assert_int_eq(pn_view_loader_next(many, &y), PN_OK);
        ck_assert_int_eq(memcmp(x.source, y.source, 3 * 3 * 32 * 32 * sizeof(float)), 0);
        ck_assert_int_eq(memcmp(x.target, y.target, 3 * 3 * 32 * 32 * sizeof(float)), 0);
    }
    pn_view_loader_free(one);
    pn_view_loader_free(many);
    pn_views_free(a);
    pn_views_free(b);
    pn_ctx_free(three);
}
END_TEST

START_TEST(other_types_are_converted_when_their_numbers_are_bytes)
{
    float wide[N], bad[N];
    const double pose[2] = { 4, 20 };
    for (int i = 0; i < N; i++) bad[i] = wide[i] = (float)(i % 256) - (i % 256 ? 0.25f : 0.0f);
    bad[3 * (2 * W + 5) + 1] = 256;
    const hid_t file = begin(scratch_path("wide.hdf5"));
    put_view(file, "good", &(values){ H5T_NATIVE_FLOAT, 3, { H, W, 3 }, wide }, &(values){ H5T_NATIVE_DOUBLE, 2, { 2, 1 }, pose });
    put_view(file, "bad", &(values){ H5T_NATIVE_FLOAT, 3, { H, W, 3 }, bad }, &(values){ 0 });
    H5Fclose(file);
    pn_hdf5 *h = pn_hdf5_open(scratch_ctx(), scratch_path("wide.hdf5"));
    ck_assert_ptr_nonnull(h);
    pn_image image;
    double got[2];
    assert_works(pn_hdf5_picture(h, scratch_ctx(), "good", "image", &image));
    ck_assert(image.height == H && image.width == W && image.channels == 3);
    for (int i = 0; i < N; i++) ck_assert_int_eq(image.pixels[i], i % 256);
    assert_works(pn_hdf5_numbers(h, scratch_ctx(), "good", "pose", 2, got));
    ck_assert(got[0] == 4 && got[1] == 20);
    pn_image_free(scratch_ctx(), &image);
    assert_fails(pn_hdf5_picture(h, scratch_ctx(), "bad", "image", &image), PN_ERR_FORMAT,
                 "wide.hdf5: group bad: image holds 256 in row 2, column 5, expected 0 to 255");
    pn_hdf5_close(h);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_file_group_and_value)
{
    static const uint8_t bytes[4 * N];
    static const int two[2] = { 2, 0 }, three[3] = { 2, 0, 0 };
    static const char text[4] = "abc";
    const hid_t string = H5Tcopy(H5T_C_S1);
    H5Tset_size(string, sizeof text);
    const values image = { H5T_STD_U8LE, 3, { H, W, 3 }, bytes }, pose = { H5T_NATIVE_INT, 1, { 2 }, two }, none = { 0 };
    const struct { values image, pose; const char *says; } cases[] = {
        { none, pose, "car.hdf5: group m_2_0: image is not there" },
        { image, none, "car.hdf5: group m_2_0: pose is not there" },
        { { H5T_STD_U8LE, 3, { H, W, 4 }, bytes }, pose, "group m_2_0: image is 6x8x4, expected HxWx3" },
        { { H5T_STD_U8LE, 2, { H, W }, bytes }, pose, "group m_2_0: image is 6x8, expected HxWx3" },
        { { H5T_STD_U8LE, 3, { 0, W, 3 }, bytes }, pose, "group m_2_0: image" },
        { { string, 0, { 0 }, text }, pose, "group m_2_0: image holds no numbers" },
        { image, { H5T_NATIVE_INT, 1, { 3 }, three }, "group m_2_0: pose is 3, expected 2 numbers" },
        { image, { H5T_NATIVE_INT, 0, { 0 }, two }, "group m_2_0: pose is one number, expected 2 numbers" },
        { image, { H5T_NATIVE_INT, 1, { 2 }, three + 1 }, "m_2_0: its pose is 0, 0, and its name says 2, 0" },
    };
    float out[N];
    scratch_write("bad/id_car_train.txt", "m_2_0\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const hid_t file = begin(scratch_path("bad/data_car.hdf5"));
        put_view(file, "m_2_0", &cases[i].image, &cases[i].pose);
        H5Fclose(file);
        pn_views *v = pn_views_open(scratch_ctx(), scratch_path("bad"), "train");
        ck_assert_ptr_nonnull(v);
        const pn_status status = pn_views_picture(v, 0, H, W, out);
        ck_assert_msg((status == PN_ERR_FORMAT || status == PN_ERR_LIMIT) && strstr(pn_ctx_message(scratch_ctx()), cases[i].says),
                      "'%s' does not say '%s'", pn_ctx_message(scratch_ctx()), cases[i].says);
        pn_views_free(v);
    }
    H5Tclose(string);
}
END_TEST

START_TEST(files_that_cannot_be_and_groups_that_are_not_there_are_refused)
{
    const char *folder = car();
    scratch_write("set/id_car_train.txt", "m_0_0\nm_6_0\n");
    ck_assert_ptr_null(pn_views_open(scratch_ctx(), folder, "train"));
    const char *said = pn_ctx_message(scratch_ctx());
    ck_assert_msg(strstr(said, "id_car_train.txt:2: ") && strstr(said, "data_car.hdf5 has no group m_6_0"), "%s", said);
    const pn_bytes whole = scratch_read(scratch_path("set/data_car.hdf5"));
    for (size_t size = 0; size < whole.size; size += size < 128 ? 8 : 512) {    /* cut off anywhere */
        float out[N];
        scratch_write_bytes("cut/data_car.hdf5", whole.bytes, size);
        scratch_write("cut/id_car_train.txt", "m_2_0\n");
        pn_views *v = pn_views_open(scratch_ctx(), scratch_path("cut"), "train");
        if (v) ck_assert_int_eq(pn_views_picture(v, 0, H, W, out), PN_ERR_FORMAT);
        else ck_assert_int_eq(pn_ctx_status(scratch_ctx()), PN_ERR_FORMAT);
        pn_views_free(v);
    }
    ck_assert_ptr_null(pn_hdf5_open(scratch_ctx(), scratch_path("nowhere.hdf5")));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "nowhere.hdf5 is not there"));
}
END_TEST

START_TEST(a_check_reads_every_group)
{
    static const uint8_t bytes[N];
    static const int pose[2] = { 2, 0 };
    const values image = { H5T_STD_U8LE, 3, { H, W, 3 }, bytes };
    scratch_write("some/id_car_train.txt", "m_2_0\nm_4_0\nm_6_0\n");
    const hid_t file = begin(scratch_path("some/data_car.hdf5"));
    put_view(file, "m_2_0", &image, &(values){ H5T_NATIVE_INT, 1, { 2 }, pose });
    put_view(file, "m_4_0", &image, &(values){ H5T_NATIVE_INT, 1, { 2 }, pose });
    H5Fclose(file);
    pn_check c;
    assert_works(pn_dataset_check(scratch_ctx(), scratch_path("some"), NULL, &c));
    ck_assert(c.kind == PN_FOLDER_VIEWS && c.splits == 1 && c.split[0].pictures == 3 && c.split[0].missing == 1);
    ck_assert(c.sizes == 1 && c.size[0].height == H && c.size[0].count == 1);
    ck_assert_int_eq((int)c.problems, 2);
    ck_assert_ptr_nonnull(strstr(c.problem[0], "has no group m_6_0"));
    ck_assert_ptr_nonnull(strstr(c.problem[1], "m_4_0: its pose is 2, 0, and its name says 4, 0"));
    pn_check_free(scratch_ctx(), &c);
}
END_TEST

START_TEST(refused_memory_is_told_and_nothing_is_lost)
{
    float out[N];
    const char *folder = car();
    const size_t before = scratch_live();
    for (long k = 1;; k++) {
        scratch_fail_at(k);
        pn_views *v = pn_views_open(scratch_ctx(), folder, "train");
        const pn_status status = v ? pn_views_picture(v, 1, H, W, out) : PN_ERR_NOMEM;
        pn_views_free(v);
        const bool refused = scratch_fail_at(0) <= 0;
        ck_assert_uint_eq(scratch_live(), before);
        ck_assert_int_eq(status, refused ? PN_ERR_NOMEM : PN_OK);
        if (!refused) break;
    }
}
END_TEST

TCase *hdf5_cases(void)
{
    TCase *tc = tcase_create("hdf5");
    tcase_add_test(tc, views_of_an_hdf5_file_are_those_of_a_folder);
    tcase_add_test(tc, three_threads_read_what_one_reads);
    tcase_add_test(tc, other_types_are_converted_when_their_numbers_are_bytes);
    tcase_add_test(tc, what_is_wrong_is_said_with_file_group_and_value);
    tcase_add_test(tc, files_that_cannot_be_and_groups_that_are_not_there_are_refused);
    tcase_add_test(tc, a_check_reads_every_group);
    tcase_add_test(tc, refused_memory_is_told_and_nothing_is_lost);
    return tc;
}

#endif
