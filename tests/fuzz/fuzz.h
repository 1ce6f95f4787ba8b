/* fuzz.h - what the fuzzers share: a context with small limits, and the input as a file in memory
 *
 *   clang -fsanitize=fuzzer,address,undefined … tests/fuzz/fuzz_png.c, then run it on a folder of samples
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "data/dataset.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static inline pn_ctx *fuzz_ctx(void)
{
    static pn_ctx *ctx;
    char why[256];
    if (!ctx) ctx = pn_ctx_new(&(pn_ctx_opt){ .threads = 1, .limits.image_side = 300 }, why);
    return ctx;
}

/* A copy that may be changed, followed by a zero byte, as pn_file_read gives it. pn_free its bytes. */
static inline pn_bytes fuzz_file(const uint8_t *bytes, size_t size)
{
    pn_bytes file = { pn_alloc(fuzz_ctx(), size + 1, 1), size };
    if (size) memcpy(file.bytes, bytes, size);
    return file;
}

#endif
