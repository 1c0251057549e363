#include "ctl/page.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "ctl/show.h"

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--faint:#667;--line:#d5d9df;"
    "--good:#1a7f37;--bad:#cf222e;--change:#9a6700;--s0:#0969da;--s1:#8250df;--s2:#bf3989;--s3:#"
    "1b7c83}"
    "@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--faint:#8b949e;"
    "--line:#30363d;--good:#3fb950;--bad:#f85149;--change:#d29922;--s0:#58a6ff;--s1:#bc8cff;"
    "--s2:#f778ba;--s3:#39c5cf}}"
    "*{box-sizing:border-box}body{margin:0 auto;padding:1rem;max-width:70rem;background:var(--bg);"
    "color:var(--fg);font:16px/1.45 system-ui,sans-serif}"
    "h1{font-size:1.35rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.4rem 0 .4rem}"
    "p{margin:.3rem 0}.faint{color:var(--faint)}.good{color:var(--good)}.bad{color:var(--bad)}"
    ".change{color:var(--change)}"
    ".plot{overflow-x:auto;border:1px solid var(--line);border-radius:6px;margin:.6rem 0}"
    ".plot svg{display:block;min-width:640px;width:100%;height:auto}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "td{padding:.2rem .8rem .2rem 0;vertical-align:top;border-top:1px solid var(--line)}"
    "td:first-child{white-space:nowrap;color:var(--faint)}"
    "@media(max-width:40rem){body{font-size:15px}td{display:block;border:0;padding:0}"
    "tr{display:block;border-top:1px solid var(--line);padding:.35rem 0}}"
    "@media print{:root{--bg:#fff;--fg:#000;--faint:#444;--line:#bbb}body{max-width:none;padding:0;"
    "font-size:11px}.plot{overflow:visible;break-inside:avoid}.plot svg{min-width:0}"
    "tr{break-inside:avoid}}";

void page_text(struct hm_buf *out, const char *text)
{
    HM_AUTOFREE char *clean = show_cleaned(text);
    for (const char *p = clean; *p; p++)
        switch (*p) {
        case '&':
            hm_buf_puts(out, "&amp;");
            break;
        case '<':
            hm_buf_puts(out, "&lt;");
            break;
        case '>':
            hm_buf_puts(out, "&gt;");
            break;
        case '"':
            hm_buf_puts(out, "&quot;");
            break;
        case '\'':
            hm_buf_puts(out, "&#39;");
            break;
        default:
            hm_buf_add(out, p, 1);
        }
}

void page_element(struct hm_buf *out, const char *tag, const char *class, const char *text)
{
    if (class)
        hm_buf_printf(out, "<%s class=\"%s\">", tag, class);
    else
        hm_buf_printf(out, "<%s>", tag);
    page_text(out, text);
    hm_buf_printf(out, "</%s>\n", tag);
}

void page_begin(struct hm_buf *out, const char *title)
{
    hm_buf_puts(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" "
                     "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>");
    page_text(out, title);
    hm_buf_printf(out, "</title>\n<style>%s</style></head><body>\n", style);
}

void page_end(struct hm_buf *out)
{
    hm_buf_puts(out, "</body></html>\n");
}
