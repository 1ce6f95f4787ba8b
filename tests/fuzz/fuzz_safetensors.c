/* tests/fuzz/fuzz_safetensors.c - any bytes as weights; every value of what is accepted is read */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pn_bytes file = fuzz_file(bytes, size);
    pn_safetensors weights;
    if (pn_safetensors_parse(fuzz_ctx(), "x", &file, &weights)) {
        pn_free(fuzz_ctx(), file.bytes);
        return 0;
    }
    for (size_t i = 0; i < weights.count; i++) {
        const pn_st_tensor *t = &weights.tensors[i];
        for (ptrdiff_t k = 0; k < t->count; k++) {
            float f;
            double d;
            int64_t n;
            pn_st_floats(t, k, 1, &f);
            pn_st_doubles(t, k, 1, &d);
            pn_st_integers(t, k, 1, &n);
        }
        if (pn_safetensors_find(&weights, t->name) != t) __builtin_trap();
    }
    pn_safetensors_free(fuzz_ctx(), &weights);
    return 0;
}
