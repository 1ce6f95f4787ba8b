/* kernels/shaping.h - part of kernels.h */
#ifndef PN_KERNELS_SHAPING_H
#define PN_KERNELS_SHAPING_H

typedef struct { void (*none)(void); } pn_shaping_kernels;

#endif
