/* kernels/norm.h - part of kernels.h */
#ifndef PN_KERNELS_NORM_H
#define PN_KERNELS_NORM_H

typedef struct { void (*none)(void); } pn_norm_kernels;

#endif
