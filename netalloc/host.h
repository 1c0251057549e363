/* What native networks need of the host as a whole. Blocks briefly. Thread: any. */
#ifndef HM_NETALLOC_HOST_H
#define HM_NETALLOC_HOST_H

#include <stdbool.h>

#include "base/error.h"

/* Does the host forward packets (net.ipv4.ip_forward)? Unknown is no. */
bool host_forwards(void);
/* Make it; it stays so: others may have come to rely on it. */
int host_let_forward(struct hm_error *err);

#endif
