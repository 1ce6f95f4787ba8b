/* tests/fuzz/fuzz_annotation.c - any bytes as an annotation file, strict and collecting */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    for (int collecting = 0; collecting < 2; collecting++) {
        pn_bytes file = fuzz_file(bytes, size);
        pn_problems problems = { .ctx = fuzz_ctx() };
        pn_annotations a;
        if (!pn_annotations_parse(fuzz_ctx(), "x", &file, collecting ? &problems : NULL, &a)) {
            (void)pn_grid_detect(&a);
            pn_annotations_free(&a);
        }
        pn_problems_free(&problems);
        pn_free(fuzz_ctx(), file.bytes);
    }
    return 0;
}
