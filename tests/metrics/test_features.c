/* tests/metrics/test_features.c - feature and Frechet distances against plain loops in double, closed forms, and whole lists */
#include "data/scratch.h"
#include "posenet/metrics.h"
#include "posenet/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Twelve convolutions in float, of numbers around 1; the double build is held to its own digits. */
static const double FLOATS = sizeof(pn_real) == sizeof(float) ? 2e-5 : 1e-11;

static pn_image picture(ptrdiff_t h, ptrdiff_t w, unsigned seed)
{
    pn_image image;
    assert_works(pn_image_new(scratch_ctx(), h, w, 3, &image));
    pn_rng rng = pn_rng_make(seed, 1);
    for (ptrdiff_t i = 0; i < h * w * 3; i++) image.pixels[i] = (uint8_t)(pn_rng_u32(&rng) % 256);
    return image;
}

static pn_extractor *fixed_seed(void)
{
    pn_extractor *x = pn_extractor_new(scratch_ctx(), NULL);
    if (!x) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return x;
}

/* ---- VGG19 once more, plainly -------------------------------------------------------------------------------------- */

enum { NARROW = 4, MOST = 1 << 16 };
typedef struct { int c, h, w; double v[MOST]; } plain_map;

static const double *weights_of(const pn_params *p, int index, const char *what, double *out)
{
    char name[64];
    snprintf(name, sizeof name, "features.%d.%s", index, what);
    const pn_tensor *t = pn_params_find(p, name);
    for (ptrdiff_t i = 0; i < pn_shape_count(pn_tensor_shape(t)); i++) out[i] = (double)pn_param_data(t)[i];
    return out;
}

/* relu(conv 3x3 with a border of zeros) */
static void plain_convolution(const pn_params *p, int index, int channels, plain_map *m)
{
    static plain_map in;
    static double weight[128 * 128 * 9], bias[128];
    weights_of(p, index, "weight", weight);
    weights_of(p, index, "bias", bias);
    in = *m;
    m->c = channels;
    for (int o = 0; o < channels; o++)
        for (int y = 0; y < m->h; y++)
            for (int x = 0; x < m->w; x++) {
                double sum = bias[o];
                for (int i = 0; i < in.c * 9; i++) {
                    const int c = i / 9, row = y + i % 9 / 3 - 1, column = x + i % 3 - 1;
                    if (row < 0 || row >= m->h || column < 0 || column >= m->w) continue;
                    sum += weight[o * in.c * 9 + i] * in.v[(c * in.h + row) * in.w + column];
                }
                m->v[(o * m->h + y) * m->w + x] = sum > 0 ? sum : 0;
            }
}

static void plain_pool(plain_map *m)
{
    const int h = m->h / 2, w = m->w / 2;
    for (int c = 0; c < m->c; c++)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                const double *at = &m->v[(c * m->h + 2 * y) * m->w + 2 * x];
                m->v[(c * h + y) * w + x] = fmax(fmax(at[0], at[1]), fmax(at[m->w], at[m->w + 1]));
            }
    m->h = h;
    m->w = w;
}

/* relu1_2, relu2_2, relu3_4, relu4_4: the last layers of torchvision's first four blocks */
static void plain_features(const pn_params *p, const pn_image *image, plain_map tap[4])
{
    static const int layers[4] = { 2, 2, 4, 4 }, widths[4] = { 64, 128, 256, 512 };
    static const double mean[3] = { 0.485, 0.456, 0.406 }, deviation[3] = { 0.229, 0.224, 0.225 };
    static plain_map m;
    const int area = (int)(image->height * image->width);
    m.c = 3;
    m.h = (int)image->height;
    m.w = (int)image->width;
    for (int i = 0; i < 3 * area; i++)
        m.v[i % 3 * area + i / 3] = (image->pixels[i] / 255.0 - mean[i % 3]) / deviation[i % 3];
    for (int block = 0, index = 0; block < 4; block++, index++) {
        for (int i = 0; i < layers[block]; i++, index += 2) plain_convolution(p, index, widths[block] / NARROW, &m);
        tap[block] = m;
        plain_pool(&m);
    }
}

static double plain_distance(const plain_map a[4], const plain_map b[4])
{
    double total = 0;
    for (int t = 0; t < 4; t++) {
        const int area = a[t].h * a[t].w;
        for (int i = 0; i < area; i++) {
            double aa = 0, bb = 0, ab = 0;
            for (int c = 0; c < a[t].c; c++) {
                aa += a[t].v[c * area + i] * a[t].v[c * area + i];
                bb += b[t].v[c * area + i] * b[t].v[c * area + i];
                ab += a[t].v[c * area + i] * b[t].v[c * area + i];
            }
            const double na = sqrt(aa) + 1e-10, nb = sqrt(bb) + 1e-10;
            total += (aa / na / na + bb / nb / nb - 2 * ab / na / nb) / area;
        }
    }
    return total;
}

START_TEST(distance_and_means_agree_with_plain_loops)
{
    static plain_map a[4], b[4];
    double found, pooled[128];
    pn_vgg19 vgg;
    pn_params *p = pn_vgg19_fixed_seed(scratch_ctx(), NARROW, &vgg);
    const pn_image one = picture(27, 18, 1), other = picture(27, 18, 2);
    plain_features(p, &one, a);
    plain_features(p, &other, b);
    pn_extractor *x = fixed_seed();
    ck_assert_int_eq(pn_extractor_numbers(x), 128);
    ck_assert_str_eq(pn_extractor_filters(x), "fixed-seed orthogonal filters, widths / 4");
    assert_works(pn_feature_distance(x, &one, &other, &found));
    const double expected = plain_distance(a, b);
    ck_assert_double_gt(expected, 0.1);
    ck_assert_double_eq_tol(found, expected, FLOATS * expected);
    assert_works(pn_feature_pool(x, &other, pooled));
    ck_assert_int_eq(b[3].h * b[3].w, 3 * 2);
    for (int c = 0; c < 128; c++) {
        double sum = 0;
        for (int i = 0; i < 6; i++) sum += b[3].v[c * 6 + i];
        ck_assert_double_eq_tol(pooled[c], sum / 6, FLOATS);
    }
    pn_extractor_free(x);
    pn_params_free(p);
}
END_TEST

START_TEST(a_picture_is_at_no_distance_from_itself_and_as_far_from_another_as_that_from_it)
{
    pn_extractor *x = fixed_seed();
    const pn_image a = picture(24, 40, 1), b = picture(24, 40, 2);
    pn_image nearly = picture(24, 40, 1);
    double same, there, back, near;
    for (int i = 0; i < 24 * 40 * 3; i++) nearly.pixels[i] = (uint8_t)((7 * nearly.pixels[i] + b.pixels[i]) / 8);
    assert_works(pn_feature_distance(x, &a, &a, &same));
    assert_works(pn_feature_distance(x, &a, &b, &there));
    assert_works(pn_feature_distance(x, &b, &a, &back));
    assert_works(pn_feature_distance(x, &a, &nearly, &near));
    ck_assert_double_eq(same, 0);
    ck_assert_double_eq(there, back);
    ck_assert(near > 0 && near < there / 4);
    pn_extractor_free(x);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    const pn_image a = picture(37, 26, 1), b = picture(37, 26, 2);
    double first = 0, found;
    for (int threads = 1; threads <= 8; threads *= 2) {
        pn_ctx *ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = threads }, NULL);
        pn_extractor *x = pn_extractor_new(ctx, NULL);
        ck_assert_int_eq(pn_feature_distance(x, &a, &b, &found), PN_OK);
        if (threads == 1) first = found;
        ck_assert_mem_eq(&found, &first, sizeof found);
        pn_extractor_free(x);
        pn_ctx_free(ctx);
    }
}
END_TEST

/* A wider picture, the smallest, the first again: what was seen before leaves no trace. */
START_TEST(pictures_of_other_sizes_may_follow)
{
    pn_extractor *x = fixed_seed();
    const pn_image a = picture(16, 16, 1), b = picture(16, 16, 2), wide = picture(16, 33, 3), wider = picture(16, 33, 5), least = picture(8, 8, 4);
    pn_extractor *fresh = fixed_seed();
    double first, again, other, alone;
    assert_works(pn_feature_distance(x, &a, &b, &first));
    assert_works(pn_feature_distance(x, &wide, &wider, &other));
    assert_works(pn_feature_distance(fresh, &wide, &wider, &alone));
    ck_assert_double_eq(other, alone);
    assert_works(pn_feature_distance(x, &least, &least, &other));
    assert_works(pn_feature_distance(x, &a, &b, &again));
    ck_assert_double_eq(first, again);
    pn_extractor_free(fresh);
    pn_extractor_free(x);
}
END_TEST

START_TEST(what_cannot_be_compared_is_refused_with_advice)
{
    pn_extractor *x = fixed_seed();
    const pn_image a = picture(16, 16, 1), b = picture(16, 18, 2), small = picture(7, 16, 3);
    pn_image grey;
    double d = -1, pooled[128];
    assert_works(pn_image_new(scratch_ctx(), 16, 16, 1, &grey));
    assert_fails(pn_feature_distance(x, &a, &b, &d), PN_ERR_SHAPE, "pictures of 16x16 and 16x18, expected one size; resize");
    assert_fails(pn_feature_distance(x, &small, &small, &d), PN_ERR_SHAPE, "7x16x3, expected sides of 8 or more and 3 channels");
    assert_fails(pn_feature_pool(x, &grey, pooled), PN_ERR_SHAPE, "16x16x1, expected");
    ck_assert_double_eq(d, -1);
    pn_extractor_free(x);
    ck_assert_ptr_null(pn_extractor_new(scratch_ctx(), scratch_path("nowhere.pth")));
    assert_fails(pn_ctx_status(scratch_ctx()), PN_ERR_IO, "nowhere.pth");
}
END_TEST

static const char *saved_filters(int narrow, const char *name)
{
    pn_params *p = pn_params_new(scratch_ctx());
    const pn_scope top = pn_scope_top(p, (pn_init){ PN_INIT_ORTHOGONAL, 1.4 });
    pn_vgg19_make(&top, narrow);
    assert_works(pn_params_init(p, 5));
    const char *path = scratch_path(name);
    assert_works(pn_checkpoint_save(scratch_ctx(), path, &(pn_part){ .prefix = "", .params = p }, 1, NULL, 0));
    pn_params_free(p);
    return path;
}

START_TEST(a_weight_files_filters_are_looked_through_and_named)
{
    const pn_image a = picture(16, 16, 1), b = picture(16, 16, 2);
    double by_file, by_seed;
    pn_extractor *x = pn_extractor_new(scratch_ctx(), saved_filters(8, "vgg.safetensors")), *seed = fixed_seed();
    if (!x) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    ck_assert_int_eq(pn_extractor_numbers(x), 64);
    ck_assert_ptr_nonnull(strstr(pn_extractor_filters(x), "vgg.safetensors"));
    ck_assert_ptr_nonnull(strstr(scratch_log(), "VGG19"));
    assert_works(pn_feature_distance(x, &a, &b, &by_file));
    assert_works(pn_feature_distance(seed, &a, &b, &by_seed));
    ck_assert(by_file > 0 && fabs(by_file - by_seed) > 1e-3);
    pn_extractor_free(x);
    pn_extractor_free(seed);
    pn_params *p = pn_params_new(scratch_ctx());
    pn_param(p, "features.0.weight", pn_shape4(8, 3, 3, 3), (pn_init){ PN_INIT_CONSTANT, 1 });
    assert_works(pn_params_init(p, 1));
    assert_works(pn_checkpoint_save(scratch_ctx(), scratch_path("torn.safetensors"), &(pn_part){ .prefix = "", .params = p }, 1, NULL, 0));
    pn_params_free(p);
    ck_assert_ptr_null(pn_extractor_new(scratch_ctx(), scratch_path("torn.safetensors")));
    assert_fails(pn_ctx_status(scratch_ctx()), PN_ERR_SHAPE, "features.0.bias");
}
END_TEST

START_TEST(without_memory_nothing_is_left_behind)
{
    const pn_image a = picture(16, 16, 1), b = picture(16, 16, 2);
    scratch_ctx();
    const size_t before = scratch_live();
    pn_status status = PN_ERR_NOMEM;
    for (long k = 1; status; k += 1 + k / 8) {
        double d = 0;
        scratch_fail_at(k);
        pn_extractor *x = pn_extractor_new(scratch_ctx(), NULL);
        status = x ? pn_feature_distance(x, &a, &b, &d) : PN_ERR_NOMEM;
        if (scratch_fail_at(0) > 0) ck_assert_int_eq(status, PN_OK);
        else ck_assert_int_eq(status, PN_ERR_NOMEM);
        pn_extractor_free(x);
        ck_assert_uint_eq(scratch_live(), before);
        ck_assert_int_lt(k, 100000);
    }
}
END_TEST

/* ---- Gaussians ----------------------------------------------------------------------------------------------------- */

enum { D = 6 };
typedef struct { double v[D][D]; } matrix;

static matrix product(const matrix *a, const matrix *b)
{
    matrix c = { { { 0 } } };
    for (int i = 0; i < D * D * D; i++) c.v[i / D / D][i % D] += a->v[i / D / D][i / D % D] * b->v[i / D % D][i % D];
    return c;
}

/* Gauss and Jordan, without pivots: these have large diagonals. */
static matrix inverse(matrix a)
{
    matrix b = { { { 0 } } };
    for (int i = 0; i < D; i++) b.v[i][i] = 1;
    for (int p = 0; p < D; p++)
        for (int i = 0; i < D; i++) {
            const double by = i == p ? (a.v[p][p] - 1) / a.v[p][p] : a.v[i][p] / a.v[p][p];
            for (int k = 0; k < D; k++) {
                a.v[i][k] -= by * a.v[p][k];
                b.v[i][k] -= by * b.v[p][k];
            }
        }
    return b;
}

/* Of the square root that Denman and Beavers' iteration finds, eigenvalues of nothing. */
static double trace_of_root(const matrix *a)
{
    matrix y = *a, z = { { { 0 } } };
    for (int i = 0; i < D; i++) z.v[i][i] = 1;
    for (int step = 0; step < 40; step++) {
        const matrix iy = inverse(y), iz = inverse(z);
        for (int i = 0; i < D * D; i++) {
            y.v[i / D][i % D] = (y.v[i / D][i % D] + iz.v[i / D][i % D]) / 2;
            z.v[i / D][i % D] = (z.v[i / D][i % D] + iy.v[i / D][i % D]) / 2;
        }
    }
    double trace = 0;
    for (int i = 0; i < D; i++) trace += y.v[i][i];
    return trace;
}

/* Covariance of samples [n][D] in two passes. */
static matrix covariance(double (*x)[D], int n, double mean[D])
{
    matrix c = { { { 0 } } };
    for (int i = 0; i < D; i++) mean[i] = 0;
    for (int s = 0; s < n * D; s++) mean[s % D] += x[s / D][s % D] / n;
    for (int s = 0; s < n; s++)
        for (int i = 0; i < D * D; i++)
            c.v[i / D][i % D] += (x[s][i / D] - mean[i / D]) * (x[s][i % D] - mean[i % D]) / (n - 1);
    return c;
}

/* Normal numbers around a shift, mixed. */
static void draw(double (*x)[D], int n, uint64_t seed, double shift, double mix)
{
    pn_rng rng = pn_rng_make(seed, 0);
    for (int s = 0; s < n; s++)
        for (int i = 0; i < D; i++) {
            x[s][i] = shift * i + (1 + i) * pn_rng_normal(&rng);
            if (i) x[s][i] += mix * x[s][i - 1];
        }
}

static pn_gaussian *fitted(const double *x, int n, int numbers)
{
    pn_gaussian *g = pn_gaussian_new(scratch_ctx(), numbers);
    for (int s = 0; s < n; s++) pn_gaussian_add(g, x + s * numbers);
    return g;
}

/* of two sets; symmetric */
static double frechet(const double *x, int nx, const double *y, int ny, int numbers)
{
    pn_gaussian *a = fitted(x, nx, numbers), *b = fitted(y, ny, numbers);
    double there, back;
    assert_works(pn_frechet_distance(a, b, &there));
    assert_works(pn_frechet_distance(b, a, &back));
    if (!isnan(there)) ck_assert_double_eq_tol(there, back, 1e-12 * (1 + there));
    pn_gaussian_free(a);
    pn_gaussian_free(b);
    return there;
}

START_TEST(frechet_distance_agrees_with_a_matrix_square_root)
{
    static double x[80][D], y[50][D];
    double mx[D], my[D];
    draw(x, 80, 1, 0.5, 0.7);
    draw(y, 50, 2, -0.2, -0.4);
    const matrix cx = covariance(x, 80, mx), cy = covariance(y, 50, my), both = product(&cx, &cy);
    double expected = -2 * trace_of_root(&both);
    for (int i = 0; i < D; i++) expected += (mx[i] - my[i]) * (mx[i] - my[i]) + cx.v[i][i] + cy.v[i][i];
    ck_assert_double_gt(expected, 1);
    ck_assert_double_eq_tol(frechet(x[0], 80, y[0], 50, D), expected, 1e-11 * expected);
}
END_TEST

/* Covariances 4 I and I / 4 and means 3 apart on an axis, exactly: points at the corners of a square, 9 + 2 (2 - 1/2)^2. Then, of
 * one number, squares of what means and deviations differ by. */
START_TEST(known_gaussians_have_their_known_distance)
{
    const double r = sqrt(3), x[] = { r, r, r, -r, -r, r, -r, -r };
    double y[8];
    for (int i = 0; i < 8; i++) y[i] = x[i] / 4 + (i % 2 ? 0 : 3);
    ck_assert_double_eq_tol(frechet(x, 4, y, 4, 2), 9 + 2 * 1.5 * 1.5, 1e-12);
    ck_assert_double_eq_tol(frechet((double[]){ 0, 2 }, 2, (double[]){ 5, 15 }, 2, 1), 81 + pow(sqrt(50) - sqrt(2), 2), 1e-12);
}
END_TEST

/* Few samples of many numbers: covariances are singular, and roots of rounding errors must not add up. */
START_TEST(equal_sets_are_at_distance_0_however_few_they_are)
{
    enum { NUMBERS = 64 };
    static double x[10 * NUMBERS];
    pn_rng rng = pn_rng_make(3, 0);
    for (int i = 0; i < 10 * NUMBERS; i++) x[i] = 100 + 10 * pn_rng_normal(&rng);
    for (int n = 2; n <= 10; n += 4) {
        const double d = frechet(x, n, x, n, NUMBERS);
        ck_assert(d >= 0 && d < 1e-9);                  /* of traces of 6400 */
    }
}
END_TEST

START_TEST(what_has_no_frechet_distance_is_nan_or_refused)
{
    const double x[] = { 1, 2, 3, 5, 8, 13 }, bad[] = { 1, 2, NAN, 5 }, far[] = { 1, 2, 3, INFINITY };
    double d;
    ck_assert(isnan(frechet(x, 1, x, 3, 2)));
    ck_assert(isnan(frechet(x, 0, x, 3, 2)));
    ck_assert(isnan(frechet(x, 3, bad, 2, 2)));
    ck_assert(isnan(frechet(far, 2, x, 3, 2)));
    pn_gaussian *a = fitted(x, 2, 3), *b = fitted(x, 3, 2);
    assert_fails(pn_frechet_distance(a, b, &d), PN_ERR_SHAPE, "samples of 3 and of 2 numbers; fit both");
    pn_gaussian_free(a);
    ck_assert_ptr_null(pn_gaussian_new(scratch_ctx(), 0));
    assert_fails(pn_ctx_status(scratch_ctx()), PN_ERR_ARG, "samples of 0 numbers, expected 1 to 4096");
    ck_assert_ptr_null(pn_gaussian_new(scratch_ctx(), 4097));
    for (long k = 1; k <= 5; k++) {
        scratch_fail_at(k);
        ck_assert_int_eq(pn_frechet_distance(b, b, &d), PN_ERR_NOMEM);
    }
    scratch_fail_at(0);
    pn_gaussian_free(b);
}
END_TEST

/* ---- Whole lists --------------------------------------------------------------------------------------------------- */

/* Three people, each turned into the next. Of the first pair the truth is generated, of the second another picture, of the last none. */
static pn_dataset *three_people(pn_image image[4])
{
    static const char row[] =
        ":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]:[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]\n";
    char text[900] = "name:keypoints_y:keypoints_x\n", folder[512];
    scratch_write("set/test/here", "");
    scratch_write("out/here", "");
    for (unsigned i = 0; i < 3; i++) {
        image[i] = picture(20, 16, i + 1);
        snprintf(folder, sizeof folder, "set/test/p%u.png", i);
        assert_works(pn_image_write(scratch_ctx(), scratch_path(folder), &image[i]));
        snprintf(text + strlen(text), sizeof text - strlen(text), "p%u.png%s", i, row);
    }
    assert_works(pn_image_write(scratch_ctx(), scratch_path("out/p0_2_p1_vis.png"), &image[1]));
    image[3] = picture(20, 16, 9);
    assert_works(pn_image_write(scratch_ctx(), scratch_path("out/p1_2_p2_vis.png"), &image[3]));
    scratch_write("set/fasion-annotation-test.csv", text);
    scratch_write("set/fasion-pairs-test.csv", "from,to\np0.png,p1.png\np1.png,p2.png\np2.png,p0.png\n");
    snprintf(folder, sizeof folder, "%s", scratch_path("set"));
    pn_dataset *d = pn_dataset_open(scratch_ctx(), folder, "test", NULL);
    if (!d) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return d;
}

static double frechet_of(pn_extractor *x, const pn_image *a, const pn_image *b, const pn_image *c, const pn_image *d)
{
    static double left[2][128], right[2][128];
    assert_works(pn_feature_pool(x, a, left[0]));
    assert_works(pn_feature_pool(x, b, left[1]));
    assert_works(pn_feature_pool(x, c, right[0]));
    assert_works(pn_feature_pool(x, d, right[1]));
    return frechet(left[0], 2, right[0], 2, 128);
}

START_TEST(a_lists_features_are_those_of_its_pairs)
{
    pn_image p[4];
    double made, copy[2];
    pn_feature_scores s;
    pn_dataset *d = three_people(p);
    pn_evaluation *e = pn_evaluation_new(d, scratch_path("out"), "native");
    pn_extractor *x = fixed_seed();
    assert_fails(pn_evaluation_features(e, &s), PN_ERR_ARG, "call pn_evaluation_add_features before the run");
    assert_works(pn_evaluation_add_features(e, NULL));
    assert_fails(pn_evaluation_add_features(e, NULL), PN_ERR_ARG, "called before");
    assert_works(pn_evaluation_features(e, &s));
    ck_assert(s.pairs == 0 && isnan(s.distance) && isnan(s.frechet));
    assert_works(pn_evaluation_run(e, 0, 2));
    assert_works(pn_evaluation_run(e, 2, 1));
    assert_works(pn_evaluation_features(e, &s));
    ck_assert(s.pairs == 2 && s.numbers == 128);
    ck_assert_str_eq(s.filters, pn_extractor_filters(x));
    assert_works(pn_feature_distance(x, &p[3], &p[2], &made));
    assert_works(pn_feature_distance(x, &p[0], &p[1], &copy[0]));
    assert_works(pn_feature_distance(x, &p[1], &p[2], &copy[1]));
    const pn_scored *first = pn_evaluation_pair(e, 0), *last = pn_evaluation_pair(e, 2);
    ck_assert(first->seen && first->distance == 0 && first->distance_copy == copy[0] && !last->seen);
    ck_assert_double_eq_tol(s.distance, made / 2, 1e-12);
    ck_assert_double_eq_tol(s.distance_copy, (copy[0] + copy[1]) / 2, 1e-12);
    const double scale = 1e-9 * (1 + s.frechet_copy);
    ck_assert_double_eq_tol(s.frechet, frechet_of(x, &p[1], &p[3], &p[1], &p[2]), scale);
    ck_assert_double_eq_tol(s.frechet_copy, frechet_of(x, &p[0], &p[1], &p[1], &p[2]), scale);
    assert_fails(pn_evaluation_run(e, 1, 1), PN_ERR_ARG, "features of pair 1 have been counted");
    assert_works(pn_evaluation_write(e, scratch_path("score.json")));
    const char *json = (const char *)scratch_read(scratch_path("score.json")).bytes;
    ck_assert_ptr_nonnull(strstr(json, "\"filters\":\t\"fixed-seed orthogonal filters, widths / 4\""));
    ck_assert_ptr_nonnull(strstr(json, "\"frechet_distance\":\t"));
    pn_extractor_free(x);
    pn_evaluation_free(e);
    pn_dataset_free(d);
}
END_TEST

TCase *features_cases(void)
{
    TCase *tc = tcase_create("features");
    tcase_add_test(tc, distance_and_means_agree_with_plain_loops);
    tcase_add_test(tc, a_picture_is_at_no_distance_from_itself_and_as_far_from_another_as_that_from_it);
    tcase_add_test(tc, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(tc, pictures_of_other_sizes_may_follow);
    tcase_add_test(tc, what_cannot_be_compared_is_refused_with_advice);
    tcase_add_test(tc, a_weight_files_filters_are_looked_through_and_named);
    tcase_add_test(tc, without_memory_nothing_is_left_behind);
    tcase_add_test(tc, frechet_distance_agrees_with_a_matrix_square_root);
    tcase_add_test(tc, known_gaussians_have_their_known_distance);
    tcase_add_test(tc, equal_sets_are_at_distance_0_however_few_they_are);
    tcase_add_test(tc, what_has_no_frechet_distance_is_nan_or_refused);
    tcase_add_test(tc, a_lists_features_are_those_of_its_pairs);
    return tc;
}
