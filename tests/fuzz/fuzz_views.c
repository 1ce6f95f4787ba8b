/* tests/fuzz/fuzz_views.c - any bytes as a list of views */
#include "fuzz/fuzz.h"

#include "data/views.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pn_bytes file = fuzz_file(bytes, size);
    pn_view_list list;
    pn_view_list_parse(fuzz_ctx(), "x", &file, NULL, &list);
    pn_view_list_free(&list);
    pn_free(fuzz_ctx(), file.bytes);
    return 0;
}
