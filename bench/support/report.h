/* report.h - results as a table to read */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "support/measure.h"

void bench_print_ceilings(const bench_ceilings *c);
void bench_print_head(int name_width);
void bench_print_result(const bench_result *r, int name_width);
/* "1.23 ms" */
const char *bench_time_text(double seconds, char text[32]);

#endif
