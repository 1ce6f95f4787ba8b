/* kernels/attention.h - part of kernels.h */
#ifndef PN_KERNELS_ATTENTION_H
#define PN_KERNELS_ATTENTION_H

typedef struct { void (*none)(void); } pn_attention_kernels;

#endif
