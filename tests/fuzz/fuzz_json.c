/* tests/fuzz/fuzz_json.c - any bytes as key-point JSON; what is accepted is scaled, mapped and drawn */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    enum { SIDE = 12 };
    static float maps[PN_JOINTS * SIDE * SIDE];
    static uint8_t pixels[SIDE * SIDE * 3];
    pn_bytes file = fuzz_file(bytes, size);
    pn_image image = { SIDE, SIDE, 3, pixels };
    pn_pose pose;
    if (!pn_pose_json_decode(fuzz_ctx(), "x", &file, 0.1, &pose)) {
        pose = pn_pose_scale(&pose, 256, 176, SIDE, SIDE);
        pn_pose_heatmaps(&pose, SIDE, SIDE, 6, maps);
        pn_pose_draw(&pose, &image);
    }
    double points[PN_JOINTS][3];
    pn_points_json_decode(fuzz_ctx(), "x", &file, PN_JOINTS, points);
    pn_free(fuzz_ctx(), file.bytes);
    return 0;
}
