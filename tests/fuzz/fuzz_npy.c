/* tests/fuzz/fuzz_npy.c - any bytes as a numpy array */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pn_bytes file = fuzz_file(bytes, size);
    pn_shape shape;
    float *values;
    if (!pn_npy_decode(fuzz_ctx(), "x", &file, &shape, &values)) pn_npy_free(fuzz_ctx(), values);
    pn_free(fuzz_ctx(), file.bytes);
    return 0;
}
