/* tests/fuzz/fuzz_png.c - any bytes as a PNG */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pn_bytes file = fuzz_file(bytes, size);
    pn_image image;
    if (!pn_png_decode(fuzz_ctx(), "x", &file, PN_AS_RGB, &image)) pn_image_free(fuzz_ctx(), &image);
    if (!pn_png_decode(fuzz_ctx(), "x", &file, PN_AS_LABELS, &image)) pn_image_free(fuzz_ctx(), &image);
    pn_free(fuzz_ctx(), file.bytes);
    return 0;
}
