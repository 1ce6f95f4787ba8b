/* lib/core/text.c - text that grows; how far one name is from another */
#define _POSIX_C_SOURCE 200809L
#include "core/core.h"

#include <stdio.h>
#include <string.h>

static bool make_room(pn_text *t, size_t more)
{
    void *memory = t->text;
    size_t want;
    if (!t->status && !pn_size_add(t->size + 1, more, &want)) t->status = pn_fail(t->ctx, PN_ERR_NOMEM, "a text is too long");
    if (!t->status) t->status = pn_grow(t->ctx, &memory, &t->room, want, 1);
    t->text = memory;
    return !t->status;
}

void pn_text_bytes(pn_text *t, const void *bytes, size_t size)
{
    if (t->status || !make_room(t, size)) return;
    memcpy(t->text + t->size, bytes, size);
    t->size += size;
    t->text[t->size] = 0;
}

void pn_text_add(pn_text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n >= 0 && !t->status && make_room(t, (size_t)n)) {
        vsnprintf(t->text + t->size, (size_t)n + 1, format, again);
        t->size += (size_t)n;
    }
    va_end(again);
}

void pn_text_free(pn_text *t)
{
    pn_free(t->ctx, t->text);
    *t = (pn_text){ .ctx = t->ctx };
}

/* Levenshtein's distance, row by row: row[j] is that of a's first i letters from b's first j. */
size_t pn_name_distance(const char *a, const char *b)
{
    enum { LETTERS = 64 };
    size_t row[LETTERS + 1];
    const size_t m = strnlen(a, LETTERS), n = strnlen(b, LETTERS);
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t change = corner + (a[i - 1] != b[j - 1]), shift = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            corner = row[j];
            row[j] = change < shift ? change : shift;
        }
    }
    return row[n];
}
