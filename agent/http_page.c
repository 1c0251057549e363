/* The page is a file of its own, for those who edit it: the assembler takes it in (gas, .incbin). */
#include "agent/http_page.h"

__asm__(".section .rodata\n"
        ".global http_page\n"
        ".type http_page, %object\n"
        "http_page:\n"
        ".incbin \"agent/http_page.html\"\n"
        ".byte 0\n"
        ".size http_page, . - http_page\n"
        ".previous\n");
