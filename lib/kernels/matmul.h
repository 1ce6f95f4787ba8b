/* kernels/matmul.h - part of kernels.h */
#ifndef PN_KERNELS_MATMUL_H
#define PN_KERNELS_MATMUL_H

typedef struct { void (*none)(void); } pn_matmul_kernels;

#endif
