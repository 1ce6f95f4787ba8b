/* tests/fuzz/fuzz_pairs.c - any bytes as a pairs file */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pn_bytes file = fuzz_file(bytes, size);
    pn_pairs pairs;
    if (!pn_pairs_parse(fuzz_ctx(), "x", &file, NULL, &pairs)) pn_pairs_free(&pairs);
    pn_free(fuzz_ctx(), file.bytes);
    return 0;
}
