/* lib/io/text.c - lines and fields of lists and CSV files, in place */
#include "io/io.h"

#include <string.h>

pn_status pn_lines_begin(pn_ctx *ctx, const char *name, pn_bytes *file, pn_lines *out)
{
    const uint8_t *zero = file->size ? memchr(file->bytes, 0, file->size) : NULL;
    if (zero)
        return pn_fail(ctx, PN_ERR_FORMAT,
                       "%s: a zero byte at position %td; this is not a text file (save it as UTF-8)", name,
                       zero - file->bytes);
    const bool bom = file->size >= 3 && memcmp(file->bytes, "\xef\xbb\xbf", 3) == 0;
    *out = (pn_lines){ .next = (char *)file->bytes + (bom ? 3 : 0), .end = (char *)file->bytes + file->size };
    return PN_OK;
}

char *pn_lines_next(pn_lines *lines)
{
    if (lines->next >= lines->end) return NULL;
    char *line = lines->next;
    char *stop = memchr(line, '\n', (size_t)(lines->end - line));
    if (!stop) stop = lines->end;
    lines->next = stop + 1;
    *stop = 0;                                          /* at the end: the zero that follows every file */
    if (stop > line && stop[-1] == '\r') stop[-1] = 0;
    lines->number++;
    return line;
}

char *pn_field_next(char **rest, char separator)
{
    char *field = *rest;
    if (!field) return NULL;
    char *stop = strchr(field, separator);
    if (stop) *stop = 0;
    *rest = stop ? stop + 1 : NULL;
    return field;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v'; }

char *pn_trim(char *text)
{
    while (is_blank(*text)) text++;
    char *end = text + strlen(text);
    while (end > text && is_blank(end[-1])) *--end = 0;
    return text;
}
