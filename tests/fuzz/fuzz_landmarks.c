/* tests/fuzz/fuzz_landmarks.c - any bytes as a file of landmarks; what is accepted becomes maps */
#include "fuzz/fuzz.h"

#include "data/clips.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    enum { SIDE = 12 };
    static float maps[PN_FACE_CHANNELS * SIDE * SIDE];
    static uint8_t pixels[SIDE * SIDE * 3];
    pn_bytes file = fuzz_file(bytes, size);
    const pn_image image = { SIDE, SIDE, 3, pixels };
    pn_landmarks l;
    if (!pn_landmarks_parse(fuzz_ctx(), "x", &file, &l)) pn_face_maps(fuzz_ctx(), &l, &image, maps);
    pn_free(fuzz_ctx(), file.bytes);
    return 0;
}
