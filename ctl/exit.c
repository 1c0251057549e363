#include "ctl/exit.h"

enum ctl_exit exit_for(enum hm_code code)
{
    switch (code) {
    case HM_OK:
        return CTL_OK;
    case HM_E_INVALID:
    case HM_E_TOO_LARGE:
    case HM_E_INVALID_URI:
        return CTL_INVALID;
    case HM_E_NOT_FOUND:
    case HM_E_VM_NOT_FOUND:
    case HM_E_NETWORK_NOT_FOUND:
    case HM_E_POOL_NOT_FOUND:
        return CTL_NOT_FOUND;
    case HM_E_CONFLICT:
    case HM_E_REFUSED:
        return CTL_REFUSED;
    case HM_E_CONNECTION:
        return CTL_NO_CONNECTION;
    case HM_E_TIMEOUT:
        return CTL_TIMEOUT;
    default:
        return CTL_FAILED;
    }
}
