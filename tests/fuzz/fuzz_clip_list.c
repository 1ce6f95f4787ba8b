/* tests/fuzz/fuzz_clip_list.c - any bytes as a test list of dances */
#include "fuzz/fuzz.h"
#include "data/clips.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pn_bytes file = fuzz_file(bytes, size);
    pn_clip_list *list = NULL;
    size_t letters = 0;
    if (!pn_clip_list_parse(fuzz_ctx(), "x", &file, &list))
        for (ptrdiff_t i = 0; i < pn_clip_list_count(list); i++) {
            const pn_clip_row row = pn_clip_list_row(list, i);
            for (ptrdiff_t k = 0; k < row.made.clean.count; k++) letters += strlen(row.made.clean.path[k]);
            letters += strlen(row.reference.frames.path[0]);
        }
    pn_clip_list_free(list);
    pn_free(fuzz_ctx(), file.bytes);
    return letters == (size_t)-1;
}
