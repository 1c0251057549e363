#include "vmm/accel_initramfs.h"

#include <elf.h>
#include <string.h>
#include <sys/stat.h>

/* -- A static program, by hand ------------------------------------------------------------------- */

static const unsigned char code[] = {
    0xb8, 1,
    0,    0,
    0, /* mov eax, 1 (write) */
    0xbf, 1,
    0,    0,
    0, /* mov edi, 1 */
    0x48, 0x8d,
    0x35, 16,
    0,    0,
    0, /* lea rsi, [rip + 16]: behind the code */
    0xba, sizeof ACCEL_SENTENCE,
    0,    0,
    0,          /* mov edx, length, with the newline */
    0x0f, 0x05, /* syscall */
    0xb8, 34,
    0,    0,
    0,          /* mov eax, 34 (pause) */
    0x0f, 0x05, /* syscall */
    0xeb, 0xf7, /* jmp to that mov */
};

enum { LOAD_AT = 0x400000, CODE_AT = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) };

static void add_program(struct hm_buf *out)
{
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = LOAD_AT + CODE_AT,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1,
    };
    Elf64_Xword size = CODE_AT + sizeof code + sizeof ACCEL_SENTENCE;
    Elf64_Phdr all = {.p_type = PT_LOAD,
                      .p_flags = PF_R | PF_X,
                      .p_vaddr = LOAD_AT,
                      .p_paddr = LOAD_AT,
                      .p_filesz = size,
                      .p_memsz = size,
                      .p_align = 0x1000};
    hm_buf_add(out, &header, sizeof header);
    hm_buf_add(out, &all, sizeof all);
    hm_buf_add(out, code, sizeof code);
    hm_buf_puts(out, ACCEL_SENTENCE "\n");
}

/* -- cpio, "newc" (Documentation/driver-api/early-userspace/buffer-format.rst) ------------------- */

static void pad(struct hm_buf *out)
{
    while (out->len % 4)
        hm_buf_add(out, "", 1);
}

struct entry {
    const char *name;
    unsigned inode, mode, major, minor; /* the last two of a device */
};

static void add_entry(struct hm_buf *out, struct entry e, const struct hm_buf *content)
{
    size_t size = content ? content->len : 0;
    hm_buf_printf(out, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", e.inode,
                  e.mode, 1, 0, 0, 0, size, 0, 0, e.major, e.minor, strlen(e.name) + 1, 0);
    hm_buf_add(out, e.name, strlen(e.name) + 1);
    pad(out);
    if (content)
        hm_buf_add(out, content->data, content->len);
    pad(out);
}

void accel_initramfs(struct hm_buf *ret)
{
    struct hm_buf program = {0};
    add_program(&program);
    add_entry(ret, (struct entry){"dev", 1, S_IFDIR | 0755, 0, 0}, NULL);
    add_entry(ret, (struct entry){"dev/console", 2, S_IFCHR | 0600, 5, 1}, NULL);
    add_entry(ret, (struct entry){"init", 3, S_IFREG | 0755, 0, 0}, &program);
    add_entry(ret, (struct entry){"TRAILER!!!", 0, 0, 0, 0}, NULL);
    hm_buf_free(&program);
}
