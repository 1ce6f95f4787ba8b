/* transpose.h - VLEN vectors of VLEN lanes transposed in registers */
#ifndef PN_TRANSPOSE_H
#define PN_TRANSPOSE_H

#include "kernels/simd/vec.h"

/* Lanes of two vectors alternating: those of their lower halves, those of their upper halves. */
#if PN_VLEN == 4
#define PN_ZIP_LOW  0, 4, 1, 5
#define PN_ZIP_HIGH 2, 6, 3, 7
#elif PN_VLEN == 8
#define PN_ZIP_LOW  0, 8, 1, 9, 2, 10, 3, 11
#define PN_ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define PN_ZIP_LOW  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define PN_ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif

/* Zipping vector i with vector i + VLEN/2, into 2i and 2i + 1, turns the bits of (vector, lane) by one; log2 VLEN such steps
 * exchange the two. */
static inline void vec_transpose(vec v[VLEN])
{
    vec w[VLEN];
    for (int done = 1; done < VLEN; done *= 2) {
        for (int i = 0; i < VLEN / 2; i++) {
            w[2 * i] = __builtin_shufflevector(v[i], v[i + VLEN / 2], PN_ZIP_LOW);
            w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + VLEN / 2], PN_ZIP_HIGH);
        }
        for (int i = 0; i < VLEN; i++) v[i] = w[i];
    }
}

#endif
