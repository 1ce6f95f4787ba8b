/* kernels/resample.h - part of kernels.h */
#ifndef PN_KERNELS_RESAMPLE_H
#define PN_KERNELS_RESAMPLE_H

typedef struct { void (*none)(void); } pn_resample_kernels;

#endif
