/* tests/support/convolution.h - maps, weights and scratch for tests that call convolution kernels directly */
#ifndef PN_TEST_CONVOLUTION_H
#define PN_TEST_CONVOLUTION_H

#include "support/pntest.h"

#define MAP(n, c, h, w) { n, c, h, w, PN_BLOCK }
#define SAME(k, p) .kernel = { k, k }, .stride = { 1, 1 }, .pad = { p, p }, .dilation = { 1, 1 }
#define HALVE(k) .kernel = { k, k }, .stride = { 2, 2 }, .pad = { 1, 1 }, .dilation = { 1, 1 }

/* All aligned for vectors, and the caller's to free. */
pn_real *pn_test_numbers(const char *stream, ptrdiff_t count);
pn_real *pn_test_map(const char *stream, pn_map m);     /* numbers in the channels, zeros past them */
void *pn_test_room(size_t bytes);

ptrdiff_t pn_test_lanes(pn_map m);                      /* channels, rounded up to blocks */
ptrdiff_t pn_test_weights(const pn_conv_dims *d);       /* how many */

#endif
