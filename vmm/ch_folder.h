/*
 * Folders of a VM that go as a whole. A VMM may have written into some of them, so what is in there may be anything: no link
 * is followed, and folders in folders go too, down to a bound. Thread: any.
 */
#ifndef HM_VMM_CH_FOLDER_H
#define HM_VMM_CH_FOLDER_H

#include "base/error.h"

/* 0: it is gone, or was not there. HM_E_IO. */
int ch_folder_drop(const char *path, struct hm_error *err);

#endif
