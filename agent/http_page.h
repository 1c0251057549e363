/*
 * The status page of agent/http.h: agent/http_page.html, as it is. Thread: any.
 */
#ifndef HM_AGENT_HTTP_PAGE_H
#define HM_AGENT_HTTP_PAGE_H

extern const char http_page[]; /* NUL-terminated */

#endif
