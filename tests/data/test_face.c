/* tests/data/test_face.c - faces: what a network sees of 68 landmarks, their files, synthetic ones where the picture says */
#include "data/scratch.h"
#include "data/synth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Maps ------------------------------------------------------------------------------------------------------- */

enum { H = 56, W = 48, PLANE = H * W };

typedef struct { const char *name; double x[PN_LANDMARKS], y[PN_LANDMARKS]; } face;
static const face faces[] = {
#define FACE(name, ...) { #name, __VA_ARGS__ },
#define MAP(name, channel, sum, hash)
#include "face.def"
#undef FACE
#undef MAP
};
typedef struct { const char *name; int channel; long sum; uint64_t hash; } expected_map;
static const expected_map expected[] = {
#define FACE(name, ...)
#define MAP(name, channel, sum, hash) { #name, channel, sum, hash },
#include "face.def"
#undef FACE
#undef MAP
};
enum { FACES = sizeof faces / sizeof *faces, MAPS = sizeof expected / sizeof *expected };

/* The scene of make_face_golden.py. */
static void draw_scene(pn_image *image)
{
    assert_works(pn_image_new(scratch_ctx(), H, W, 3, image));
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            int v = (x * x + 3 * y * y + x * y) / 8 % 256;
            if ((x - 40) * (x - 40) + (y - 9) * (y - 9) < 30) v = 200;
            if (x > 2 && x < 9 && y > 30 && y < 47) v = 20;
            if (2 * x - y > 55 && 2 * x - y < 62) v = 250;
            uint8_t *p = &image->pixels[3 * (y * W + x)];
            p[0] = (uint8_t)v;
            p[1] = (uint8_t)(v * 7 % 251);
            p[2] = (uint8_t)(255 - v);
        }
}

static float maps[PN_FACE_CHANNELS * PLANE];

START_TEST(maps_are_those_of_an_independent_program)
{
    const face *f = &faces[_i];
    pn_image scene;
    draw_scene(&scene);
    pn_landmarks l;
    memcpy(l.x, f->x, sizeof l.x);
    memcpy(l.y, f->y, sizeof l.y);
    assert_works(pn_face_maps(scratch_ctx(), &l, &scene, maps));
    int compared = 0;
    for (int k = 0; k < MAPS; k++) {
        const expected_map *e = &expected[k];
        if (strcmp(e->name, f->name) != 0) continue;
        const double scale = e->channel == 0 || e->channel == PN_FACE_CHANNELS - 1 ? 1.0 : 255.0;
        uint8_t values[PLANE];
        long sum = 0;
        for (int i = 0; i < PLANE; i++) {
            const double v = scale * (double)maps[e->channel * PLANE + i];
            values[i] = (uint8_t)(v + 0.5);
            ck_assert_double_eq_tol(v, values[i], 1e-4);
            sum += values[i];
        }
        ck_assert_msg(sum == e->sum && pn_hash(values, PLANE) == e->hash, "%s, channel %d: sum %ld, expected %ld", f->name,
                      e->channel, sum, e->sum);
        compared++;
    }
    ck_assert_int_eq(compared, PN_FACE_CHANNELS);
    pn_image_free(scratch_ctx(), &scene);
}
END_TEST

START_TEST(landmarks_anywhere_are_survived)
{
    pn_image scene;
    draw_scene(&scene);
    pn_landmarks l;
    pn_rng rng = pn_rng_make(1, 1);
    for (int turn = 0; turn < 200; turn++) {
        for (int i = 0; i < PN_LANDMARKS; i++) {
            const double far = turn % 3 == 0 ? 60.0 : turn % 3 == 1 ? 1e5 : 1e300;
            l.x[i] = far * (2.0 * pn_rng_uniform(&rng) - 1.0);
            l.y[i] = far * (2.0 * pn_rng_uniform(&rng) - 1.0);
        }
        assert_works(pn_face_maps(scratch_ctx(), &l, &scene, maps));
        for (int i = 0; i < 15 * PLANE; i++) ck_assert(maps[i] >= 0.0f && maps[i] <= 1.0f);
    }
    scene.channels = 1;
    assert_fails(pn_face_maps(scratch_ctx(), &l, &scene, maps), PN_ERR_ARG, "the frame has 1 channels, expected 3");
    scene.channels = 3;
    pn_image_free(scratch_ctx(), &scene);
}
END_TEST

/* ---- Files ------------------------------------------------------------------------------------------------------ */

static const char *lines_but(int line, const char *instead)
{
    static char text[2048];
    text[0] = 0;
    for (int i = 1; i <= PN_LANDMARKS; i++) {
        char own[32];
        snprintf(own, sizeof own, "%d,%d\n", i, 2 * i);
        strcat(text, i == line ? instead : own);
    }
    return text;
}

START_TEST(a_file_of_landmarks_is_read_and_a_bad_line_is_named)
{
    pn_landmarks l;
    scratch_write("a.txt", lines_but(3, " 3.5 , 6\r\n"));
    assert_works(pn_landmarks_read(scratch_ctx(), scratch_path("a.txt"), &l));
    ck_assert_double_eq(l.x[2], 3.5);
    ck_assert_double_eq(l.y[67], 136.0);
    static const struct { const char *line, *message; } bad[] = {
        { "7;14\n", "b.txt:7: '7;14' is no landmark, expected two numbers x,y" },
        { "7\n", "b.txt:7: '7' is no landmark" },
        { "7,14,3\n", "b.txt:7: '7,14,3' is no landmark" },
        { "nan,3\n", "b.txt:7: 'nan,3' is no landmark" },
        { "", "b.txt: 67 landmarks, expected 68 lines x,y" },
        { "1,1\n2,2\n", "b.txt: 69 landmarks, expected 68" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scratch_write("b.txt", lines_but(7, bad[i].line));
        assert_fails(pn_landmarks_read(scratch_ctx(), scratch_path("b.txt"), &l), PN_ERR_FORMAT, bad[i].message);
    }
    assert_fails(pn_landmarks_read(scratch_ctx(), scratch_path("none.txt"), &l), PN_ERR_IO, "none.txt");
    pn_poses *sequence = pn_poses_open(scratch_ctx(), scratch_path("."));       /* a.txt, and b.txt, which is bad */
    ck_assert_int_eq(pn_poses_count(sequence), 2);
    assert_works(pn_poses_landmarks(sequence, 0, &l));
    assert_fails(pn_poses_landmarks(sequence, 1, &l), PN_ERR_FORMAT, "b.txt");
    pn_pose pose;
    ptrdiff_t grid[2];
    assert_fails(pn_poses_get(sequence, 0, &pose, grid), PN_ERR_FORMAT, "holds landmarks of a face, and key points of a body are asked");
    pn_poses_free(sequence);
}
END_TEST

/* ---- Synthetic faces -------------------------------------------------------------------------------------------- */

enum { SIDE = 160 };

static pn_synth *studio(void)
{
    pn_synth *s = pn_synth_new(scratch_ctx(), SIDE, SIDE);
    if (!s) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    return s;
}

START_TEST(a_face_is_the_same_again_and_leaves_no_trace_on_its_person)
{
    pn_synth *a = studio(), *b = studio();
    pn_synth_face_draw(a, 3, 2, 9);
    pn_synth_face_draw(b, 3, 2, 8);
    ck_assert_int_ne(memcmp(a->seen.picture.pixels, b->seen.picture.pixels, 3 * SIDE * SIDE), 0);
    pn_synth_draw(b, 3, 2, 0);
    pn_synth_face_draw(b, 3, 2, 9);
    ck_assert_int_eq(memcmp(a->seen.picture.pixels, b->seen.picture.pixels, 3 * SIDE * SIDE), 0);
    ck_assert_int_eq(memcmp(&a->landmarks, &b->landmarks, sizeof a->landmarks), 0);
    pn_synth_draw(a, 3, 2, 1);
    pn_synth_free(b);
    b = studio();
    pn_synth_draw(b, 3, 2, 1);                          /* who has shown no face before */
    ck_assert_int_eq(memcmp(a->seen.picture.pixels, b->seen.picture.pixels, 3 * SIDE * SIDE), 0);
    pn_synth_free(a);
    pn_synth_free(b);
}
END_TEST

static const uint8_t *colour_at(const pn_synth *s, double x, double y)
{
    return &s->seen.albedo.pixels[3 * ((int)(y + 0.5) * SIDE + (int)(x + 0.5))];
}

static v3 middle(const pn_landmarks *l, int from, int to)
{
    v3 m = { 0.0, 0.0, 0.0 };
    for (int i = from; i <= to; i++) m = v3_add(m, v3_make(l->x[i], l->y[i], 0.0));
    return v3_mul(m, 1.0 / (to - from + 1));
}

static bool is_skull(const pn_synth *s, double x, double y)
{
    const int16_t sheet = s->seen.sheet[(int)(y + 0.5) * SIDE + (int)(x + 0.5)];
    return sheet >= 0 && s->person->mesh.sheet[sheet].material == SYNTH_M_FACE;
}

static double darkness(const uint8_t *c) { return 255.0 - (c[0] + c[1] + c[2]) / 3.0; }

START_TEST(landmarks_lie_where_the_picture_shows_what_they_name)
{
    pn_synth *s = studio();
    int open = 0, dark = 0, shut = 0, skin = 0, brows = 0, brown = 0, chins = 0, edge = 0;
    for (int person = 0; person < 12; person++) {
        for (int f = 0; f < 40; f += 4) {
            pn_synth_face_draw(s, 5, person, f);
            const pn_landmarks *l = &s->landmarks;
            const synth_material *face_paint = &s->person->material[SYNTH_M_FACE];
            for (int i = 0; i < PN_LANDMARKS; i++) ck_assert(l->x[i] > 0.0 && l->x[i] < SIDE && l->y[i] > 0.0 && l->y[i] < SIDE);
            if (fabs(l->x[30] - 0.5 * (l->x[0] + l->x[16])) > 0.15 * (l->x[16] - l->x[0])) continue;    /* turned away */
            /* between open lips it is dark, or there are teeth: never skin */
            if (l->y[66] - l->y[62] > 5.0) {
                const double y = l->y[66] - 1.5;
                open++;
                dark += darkness(colour_at(s, l->x[66], y)) > 150.0;
            }
            /* the white, the iris or the pupil in an open eye; the lid over a shut one */
            const v3 eye = middle(l, 36, 41);
            const double lid = 0.5 * (l->y[40] + l->y[41] - l->y[37] - l->y[38]);
            const uint8_t *c = colour_at(s, eye.x, eye.y - (lid < 0.8 ? 3.0 : 0.0));
            const bool is_skin = abs(c[0] - (int)(255.0 * face_paint->colour.x * 0.92)) < 16 && c[0] > c[2] + 10;
            if (lid < 0.8) shut++, skin += is_skin;
            /* a brow is darker than the skin above it, unless hair hangs there */
            if (is_skull(s, l->x[19], l->y[19]) && is_skull(s, l->x[19], l->y[19] - 6.0)) {
                brows++;
                brown += darkness(colour_at(s, l->x[19], l->y[19])) > darkness(colour_at(s, l->x[19], l->y[19] - 6.0)) + 8.0;
            }
            /* the outline's lowest point is the end of the head */
            chins++;
            edge += is_skull(s, l->x[8], l->y[8] - 3.0) && !is_skull(s, l->x[8], l->y[8] + 3.0);
        }
    }
    ck_assert_msg(open > 5 && dark == open, "%d of %d open mouths are dark inside", dark, open);
    ck_assert_msg(shut > 0 && skin >= shut - 1, "%d of %d shut eyes are skin", skin, shut);
    ck_assert_msg(brows > 15 && brown > 0.95 * brows, "%d of %d brows are darker", brown, brows);
    ck_assert_msg(chins > 30 && edge > 0.95 * chins, "%d of %d chins end the head", edge, chins);
    pn_synth_free(s);
}
END_TEST

START_TEST(a_face_moves_smoothly_and_does_everything_in_time)
{
    pn_synth *s = studio();
    double widest = 0.0, narrowest = 1e9, mouth = 0.0, turned = 0.0, jump = 0.0;
    for (int person = 0; person < 4; person++) {
        pn_landmarks before;
        for (int f = 0; f < 60; f++) {
            pn_synth_face_draw(s, 5, person, f);
            const pn_landmarks *l = &s->landmarks;
            for (int i = 0; f > 0 && i < PN_LANDMARKS; i++)
                jump = fmax(jump, hypot(l->x[i] - before.x[i], l->y[i] - before.y[i]));
            const double lid = l->y[47] - l->y[43];
            widest = fmax(widest, lid);
            narrowest = fmin(narrowest, lid);
            mouth = fmax(mouth, l->y[66] - l->y[62]);
            turned = fmax(turned, fabs(l->x[30] - 0.5 * (l->x[0] + l->x[16])));
            before = *l;
        }
    }
    ck_assert_msg(jump < 0.06 * SIDE, "a landmark jumps by %g pixels", jump);
    ck_assert_msg(narrowest < 0.15 * widest, "eyes from %g to %g pixels: no blink", narrowest, widest);
    ck_assert_msg(mouth > 0.03 * SIDE && turned > 0.06 * SIDE, "mouth %g, turned %g", mouth, turned);
    pn_synth_free(s);
}
END_TEST

/* ---- A whole set ------------------------------------------------------------------------------------------------ */

START_TEST(a_set_of_faces_is_read_in_chunks)
{
    static float picture[3 * 64 * 64], structure[PN_FACE_CHANNELS * 64 * 64];
    assert_works(pn_synth_write_face(scratch_ctx(), &(pn_synth_opt){ .out = scratch_path("set"), .people = 3, .views = 8,
                                                                     .height = 64, .width = 64, .seed = 6 }));
    pn_clips *c = pn_clips_open(scratch_ctx(), scratch_path("set"), "train", &(pn_clips_opt){ .kind = PN_CLIPS_FACE });
    if (!c) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    ck_assert_int_eq((int)pn_clips_count(c), 2);
    ck_assert_int_eq(pn_clips_channels(c), PN_FACE_CHANNELS);
    pn_synth *s = pn_synth_new(scratch_ctx(), 64, 64);
    pn_synth_face_draw(s, 6, 1, 3);
    pn_landmarks l;
    assert_works(pn_clips_landmarks(c, 1, 3, &l));
    for (int i = 0; i < PN_LANDMARKS; i++)
        ck_assert_double_lt(hypot(l.x[i] - s->landmarks.x[i], l.y[i] - s->landmarks.y[i]), 0.71);
    pn_chunks *k = pn_chunks_new(c, &(pn_chunks_opt){ .batch = 2, .height = 64, .width = 64, .frames = 4, .seed = 1 }, NULL);
    if (!k) ck_abort_msg("%s", pn_ctx_message(scratch_ctx()));
    pn_chunk chunk;
    assert_works(pn_chunks_next(k, &chunk));
    ck_assert_int_eq(chunk.channels, PN_FACE_CHANNELS);
    assert_works(pn_clips_frame(c, chunk.clip[1], chunk.first[1] + 2, PN_DRIVING, 64, 64, picture, structure, NULL));
    ck_assert_int_eq(memcmp(picture, chunk.picture + (2 * 2 + 1) * 3 * 64 * 64, sizeof picture), 0);
    ck_assert_int_eq(memcmp(structure, chunk.structure + (2 * 2 + 1) * PN_FACE_CHANNELS * 64 * 64, sizeof structure), 0);
    pn_chunks_free(k);
    ck_assert_ptr_null(pn_chunks_new(c, &(pn_chunks_opt){ .batch = 1, .height = 64, .width = 64,
                                                          .augment = PN_CLIP_AUGMENT_IPER }, NULL));
    ck_assert_ptr_nonnull(strstr(pn_ctx_message(scratch_ctx()), "faces are not augmented"));
    pn_pose17 pose;
    assert_fails(pn_clips_clean(c, 0, 0, &pose), PN_ERR_ARG, "the clips are faces");
    pn_synth_free(s);
    pn_clips_free(c);
}
END_TEST

START_TEST(refused_memory_ends_writing_and_reading_of_faces)
{
    static float structure[PN_FACE_CHANNELS * 32 * 32];
    const pn_synth_opt o = { .out = scratch_path("set"), .people = 2, .views = 6, .height = 32, .width = 32 };
    const size_t before = scratch_live();
    for (long k = 1;; k += 1 + k / 8) {
        scratch_fail_at(k);
        pn_status status = pn_synth_write_face(scratch_ctx(), &o);
        pn_clips *c = status ? NULL : pn_clips_open(scratch_ctx(), o.out, "train", &(pn_clips_opt){ .kind = PN_CLIPS_FACE });
        if (!status) status = c ? pn_clips_frame(c, 0, 1, PN_DRIVING, 32, 32, NULL, structure, NULL) : PN_ERR_NOMEM;
        pn_clips_free(c);
        const bool refused = scratch_fail_at(0) <= 0;
        ck_assert_uint_eq(scratch_live(), before);
        /* a folder that could not be synced says so as PN_ERR_IO */
        ck_assert_msg(refused ? status == PN_ERR_NOMEM || status == PN_ERR_IO : status == PN_OK, "request %ld: %s", k, pn_ctx_message(scratch_ctx()));
        if (!refused) break;
    }
}
END_TEST

TCase *face_cases(void)
{
    TCase *tc = tcase_create("face");
    tcase_add_loop_test(tc, maps_are_those_of_an_independent_program, 0, FACES);
    tcase_add_test(tc, landmarks_anywhere_are_survived);
    tcase_add_test(tc, a_file_of_landmarks_is_read_and_a_bad_line_is_named);
    tcase_add_test(tc, a_face_is_the_same_again_and_leaves_no_trace_on_its_person);
    tcase_add_test(tc, landmarks_lie_where_the_picture_shows_what_they_name);
    tcase_add_test(tc, a_face_moves_smoothly_and_does_everything_in_time);
    tcase_add_test(tc, a_set_of_faces_is_read_in_chunks);
    tcase_add_test(tc, refused_memory_ends_writing_and_reading_of_faces);
    return tc;
}
