/* What dnsmasq wrote: any text gives leases or none. */
#include <stdlib.h>

#include "base/alloc.h"
#include "netalloc/dhcp_text.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = hm_memdup(data, size);
    struct dhcp_lease *list = NULL;
    size_t count = dhcp_leases_read(text, &list);
    FUZZ_REQUIRE((count == 0) == (list == NULL) && count <= size);
    for (size_t i = 0; i < count; i++)
        FUZZ_REQUIRE(list[i].until >= 0);
    free(list);
    free(text);
    return 0;
}
