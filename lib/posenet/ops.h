#ifndef POSENET_OPS_H
#define POSENET_OPS_H
typedef enum { PN_BORDER_ZERO, PN_BORDER_REPLICATE, PN_BORDER_REFLECT } pn_border;
#endif
