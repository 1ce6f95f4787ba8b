/* tests/fuzz/fuzz_torch_file.c - any bytes as a file of torch.save; every value of what is accepted is read */
#include "fuzz/fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pn_bytes file = fuzz_file(bytes, size);
    pn_safetensors weights;
    if (pn_torch_parse(fuzz_ctx(), "x", &file, &weights)) {
        pn_free(fuzz_ctx(), file.bytes);
        return 0;
    }
    size_t whole = 0;
    for (size_t i = 0; i < weights.count; i++) {
        const pn_st_tensor *t = &weights.tensors[i];
        uint8_t *raw = malloc(t->size + 1); /* of the size it says, so that one byte more is caught */
        pn_st_raw(t, 0, t->count, raw);
        free(raw);
        whole += t->size;
        double d;
        for (ptrdiff_t k = 0; k < t->count; k++) pn_st_doubles(t, k, 1, &d);
        if (pn_safetensors_find(&weights, t->name) != t) __builtin_trap();
    }
    if (whole > 64 * size) __builtin_trap();
    pn_safetensors_free(fuzz_ctx(), &weights);
    return 0;
}
