/* tests/fuzz/fuzz_jpeg.c - any bytes as a JPEG */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pn_bytes file = fuzz_file(bytes, size);
    pn_image image;
    if (!pn_jpeg_decode(fuzz_ctx(), "x", &file, &image)) pn_image_free(fuzz_ctx(), &image);
    pn_free(fuzz_ctx(), file.bytes);
    return 0;
}
