/* lib/data/pose17.c - seventeen key points: from OpenPose's eighteen, scaled, as maps; contract in posenet/clips.h */
#include "data/clips.h"

#include <math.h>

bool pn_pose17_has(const pn_pose17 *pose, int joint) { return pose->x[joint] != -1.0 && pose->y[joint] != -1.0; }

pn_pose17 pn_pose17_from_18(const pn_pose *pose)
{
    static const signed char from[PN_JOINTS17] = {
        PN_NOSE,    PN_L_EYE,   PN_R_EYE, PN_L_EAR, PN_R_EAR,  PN_L_SHOULDER, PN_R_SHOULDER, PN_L_ELBOW, PN_R_ELBOW,
        PN_L_WRIST, PN_R_WRIST, PN_L_HIP, PN_R_HIP, PN_L_KNEE, PN_R_KNEE,     PN_L_ANKLE,    PN_R_ANKLE,
    };
    pn_pose17 out;
    for (int j = 0; j < PN_JOINTS17; j++) {
        const bool has = pn_pose_has(pose, from[j]);
        out.x[j] = has ? pose->x[from[j]] : -1.0;
        out.y[j] = has ? pose->y[from[j]] : -1.0;
    }
    return out;
}

/* joint = a + t (b - a), where both are there */
static void between(pn_pose17 *pose, int joint, int a, int b, double t)
{
    pose->x[joint] = pose->y[joint] = -1.0;
    if (!pn_pose17_has(pose, a) || !pn_pose17_has(pose, b)) return;
    pose->x[joint] = pn_pose_present(pose->x[a] + t * (pose->x[b] - pose->x[a]));
    pose->y[joint] = pn_pose_present(pose->y[a] + t * (pose->y[b] - pose->y[a]));
}

pn_pose17 pn_pose17_h36m_from_18(const pn_pose *pose)
{
    static const struct { signed char to, from; } same[] = {
        { PN_H36M_R_HIP, PN_R_HIP },           { PN_H36M_R_KNEE, PN_R_KNEE },   { PN_H36M_R_ANKLE, PN_R_ANKLE },
        { PN_H36M_L_HIP, PN_L_HIP },           { PN_H36M_L_KNEE, PN_L_KNEE },   { PN_H36M_L_ANKLE, PN_L_ANKLE },
        { PN_H36M_L_SHOULDER, PN_L_SHOULDER }, { PN_H36M_L_ELBOW, PN_L_ELBOW }, { PN_H36M_L_WRIST, PN_L_WRIST },
        { PN_H36M_R_SHOULDER, PN_R_SHOULDER }, { PN_H36M_R_ELBOW, PN_R_ELBOW }, { PN_H36M_R_WRIST, PN_R_WRIST },
        { PN_H36M_NOSE, PN_NOSE },
    };
    pn_pose17 out;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const bool has = pn_pose_has(pose, same[i].from);
        out.x[same[i].to] = has ? pose->x[same[i].from] : -1.0;
        out.y[same[i].to] = has ? pose->y[same[i].from] : -1.0;
    }
    between(&out, PN_H36M_HIP, PN_H36M_R_HIP, PN_H36M_L_HIP, 0.5);
    between(&out, PN_H36M_THORAX, PN_H36M_R_SHOULDER, PN_H36M_L_SHOULDER, 0.5);
    between(&out, PN_H36M_SPINE, PN_H36M_HIP, PN_H36M_THORAX, 0.5);
    between(&out, PN_H36M_HEAD, PN_H36M_THORAX, PN_H36M_NOSE, 1.7);
    return out;
}

pn_pose17 pn_pose17_scale(const pn_pose17 *pose, double from_h, double from_w, double to_h, double to_w)
{
    pn_pose17 out;
    for (int j = 0; j < PN_JOINTS17; j++) {
        const bool has = pn_pose17_has(pose, j);
        out.x[j] = has ? pn_pose_present(pose->x[j] * to_w / from_w) : -1.0;
        out.y[j] = has ? pn_pose_present(pose->y[j] * to_h / from_h) : -1.0;
    }
    return out;
}

/* ours: limbs and their colours; the field's wheel of colours goes round the body, right to left. */
enum { LIMBS = 16 };
static const signed char limbs[2][LIMBS][2] = {
    [PN_COCO17] = { { 5, 6 }, { 6, 8 }, { 8, 10 }, { 5, 7 }, { 7, 9 }, { 6, 12 }, { 12, 14 }, { 14, 16 }, { 5, 11 },
                    { 11, 13 }, { 13, 15 }, { 11, 12 }, { 0, 2 }, { 2, 4 }, { 0, 1 }, { 1, 3 } },
    [PN_H36M17] = { { 0, 1 }, { 1, 2 }, { 2, 3 }, { 0, 4 }, { 4, 5 }, { 5, 6 }, { 0, 7 }, { 7, 8 }, { 8, 9 }, { 9, 10 },
                    { 8, 11 }, { 11, 12 }, { 12, 13 }, { 8, 14 }, { 14, 15 }, { 15, 16 } },
};

static void draw_skeleton(const pn_pose17 *pose, pn_skeleton17 skeleton, pn_image *image)
{
    const ptrdiff_t side = image->height > image->width ? image->height : image->width;
    const double radius = fmax(1.0, (double)side / 128.0);
    for (int l = 0; l < LIMBS; l++) {
        const int from = limbs[skeleton][l][0], to = limbs[skeleton][l][1];
        if (!pn_pose17_has(pose, from) || !pn_pose17_has(pose, to)) continue;
        pn_image_stroke(image, (const double[2]) { pose->y[from], pose->x[from] },
                        (const double[2]) { pose->y[to], pose->x[to] }, radius, pn_joint_colours[l]);
    }
}

pn_status pn_pose17_maps(pn_ctx *ctx, const pn_pose17 *pose, pn_skeleton17 skeleton, ptrdiff_t height, ptrdiff_t width,
                         double sigma, float *out)
{
    pn_image drawn;
    const pn_status status = pn_image_new(ctx, height, width, 3, &drawn);
    if (status) return status;
    const ptrdiff_t plane = height * width;
    for (int j = 0; j < PN_JOINTS17; j++, out += plane)
        pn_heatmap(pn_pose17_has(pose, j) ? &(pn_centre){ pose->y[j], pose->x[j] } : NULL, height, width, sigma, out);
    draw_skeleton(pose, skeleton, &drawn);
    for (int c = 0; c < 3; c++)
        for (ptrdiff_t i = 0; i < plane; i++) out[c * plane + i] = (float)drawn.pixels[3 * i + c];
    pn_image_free(ctx, &drawn);
    return PN_OK;
}
