/*
 * The tiny guest: a kernel of a few KiB that the tests build, for the life of a VM on the real
 * cloud-hypervisor where a Linux would take seconds. It says on its serial console
 *
 *   tiny-guest: up, 1 cpu, 128 MiB, COMMAND LINE
 *
 * and then sleeps, waking every 50 ms to see whether the VMM tells of something: the power button
 * (it powers off), a device that is to be removed (it lets go), a line that was typed on the console
 * ("tiny-guest: heard LINE", and to "lines" how many it has heard since its boot). Words of its command line:
 *
 *   off=MS     powers itself off that long after its boot
 *   reset=MS   resets itself that long after its boot
 *   breaks=MS  goes where no code is that long after its boot, and its VMM can't run it any further
 *   obey=MS    powers off that long after the power button (0 by default)
 *   deaf       does not hear the power button
 *   keeps      does not let go of a device
 *   tells=N    says N more lines of some hundred bytes as soon as it is up
 *
 * It knows of its machine what the PVH start information and the ACPI tables say; of the DSDT, the
 * places of two operation regions by name. One processor is used.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SERIAL = 0x3f8, PM_TIMER_HZ = 3579545, TICK = 32 };
enum { GED_PCI = 4, GED_POWER_BUTTON = 8 };
enum { SLEEP_OFF = (5 << 2) | (1 << 5), RESET = 1 };

extern void on_tick(void), sleep_a_tick(void); /* start.S */

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* -- the serial console ------------------------------------------------------------------------ */

static void say(const char *text)
{
    for (; *text; text++) {
        while (!(in8(SERIAL + 5) & 0x20))
            ;
        out8(SERIAL, (uint8_t)*text);
    }
}

static void say_number(uint32_t number)
{
    char digits[11], *at = digits + sizeof(digits) - 1;
    *at = 0;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    say(at);
}

static bool is_typed(void)
{
    return in8(SERIAL + 5) & 1;
}

static bool is_same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void answer(const char *line)
{
    static uint32_t lines; /* it is what the tests look for in a memory that was saved */
    lines++;
    say("tiny-guest: heard ");
    say(line);
    say("\r\n");
    if (!is_same(line, "lines"))
        return;
    say("tiny-guest: ");
    say_number(lines);
    say(" lines so far\r\n");
}

/* What was typed so far; a line ends with a return. */
static void listen(void)
{
    static char line[80];
    static size_t length;
    while (is_typed()) {
        char typed = (char)in8(SERIAL);
        if (typed != '\r' && typed != '\n') {
            line[length] = typed;
            length += length + 1 < sizeof(line);
            continue;
        }
        line[length] = 0;
        length = 0;
        answer(line);
    }
}

/* -- the command line -------------------------------------------------------------------------- */

static const char *word(const char *line, const char *name)
{
    for (const char *at = line; *at; at++) {
        size_t i = 0;
        while (name[i] && at[i] == name[i])
            i++;
        if (!name[i] && (at == line || at[-1] == ' ') &&
            (at[i] == '=' || at[i] == ' ' || at[i] == 0))
            return at + i;
    }
    return NULL;
}

/* NUMBER of NAME=NUMBER, or -1. */
static int32_t number_of(const char *line, const char *name)
{
    const char *at = word(line, name);
    int32_t number = 0;
    if (!at || *at != '=')
        return -1;
    while (*++at >= '0' && *at <= '9')
        number = number * 10 + *at - '0';
    return number;
}

/* -- what the VMM says of the machine ---------------------------------------------------------- */

struct start_info {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, command_line, rsdp, memory_map;
    uint32_t memory_entries, reserved;
};

struct memory_entry {
    uint64_t address, size;
    uint32_t type, reserved;
};

struct machine {
    const char *line;
    uint32_t mib, cpus;
    const uint8_t *fadt, *dsdt;
    volatile uint8_t *events; /* GDST: a read clears it */
    volatile uint32_t *pci;   /* PCST: up, down, eject */
    uint16_t sleep_port, timer_port;
};

static const void *at(uint64_t address)
{
    return (const void *)(uintptr_t)address;
}

static uint32_t u32(const uint8_t *table, size_t offset)
{
    return *(const uint32_t *)(table + offset);
}

static uint32_t memory_of(const struct start_info *info)
{
    const struct memory_entry *entry = at(info->memory_map);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < info->memory_entries; i++)
        sum += entry[i].type == 1 ? entry[i].size : 0;
    return (uint32_t)((sum + (1 << 20) - 1) >> 20);
}

/* Processors of the MADT that are enabled: local APICs (0) and x2APICs (9). */
static uint32_t cpus_of(const uint8_t *madt)
{
    uint32_t count = 0;
    for (size_t i = 44; i + 1 < u32(madt, 4) && madt[i + 1]; i += madt[i + 1]) {
        if (madt[i] == 0)
            count += u32(madt, i + 4) & 1;
        if (madt[i] == 9)
            count += u32(madt, i + 8) & 1;
    }
    return count;
}

/* start.S maps 4 GiB onto themselves; the VMM has registers above, which are seen through the last
 * pages below. */
extern uint64_t directories[2048];
enum { FIRST_WINDOW = 0xc0000000 >> 21, WINDOW = 2 << 20 };

static void *window(unsigned which, uint64_t address)
{
    uint64_t place = (uint64_t)(FIRST_WINDOW + which) * WINDOW;
    directories[FIRST_WINDOW + which] = (address & ~(uint64_t)(WINDOW - 1)) | 0x83;
    __asm__ volatile("invlpg (%0)" : : "r"(place) : "memory");
    return (void *)(place + (address & (WINDOW - 1)));
}

/* Where an operation region of this name is in memory, or 0: 5B 80 NAME 00 INTEGER. */
static uint64_t region(const uint8_t *dsdt, const char *name)
{
    uint32_t size = u32(dsdt, 4);
    for (size_t i = 36; i + 16 < size; i++) {
        if (dsdt[i] != 0x5b || dsdt[i + 1] != 0x80 || dsdt[i + 6] != 0 ||
            u32(dsdt, i + 2) != u32((const uint8_t *)name, 0))
            continue;
        if (dsdt[i + 7] == 0x0c)
            return u32(dsdt, i + 8);
        if (dsdt[i + 7] == 0x0e)
            return *(const uint64_t *)(dsdt + i + 8);
    }
    return 0;
}

static void read_tables(struct machine *m, const uint8_t *rsdp)
{
    const uint8_t *xsdt = at(*(const uint64_t *)(rsdp + 24));
    for (size_t i = 36; i + 8 <= u32(xsdt, 4); i += 8) {
        const uint8_t *table = at(*(const uint64_t *)(xsdt + i));
        if (u32(table, 0) == u32((const uint8_t *)"FACP", 0))
            m->fadt = table;
        if (u32(table, 0) == u32((const uint8_t *)"APIC", 0))
            m->cpus = cpus_of(table);
    }
    m->dsdt = at(*(const uint64_t *)(m->fadt + 140));
    m->sleep_port = (uint16_t)u32(m->fadt, 244 + 4);
    m->timer_port = (uint16_t)u32(m->fadt, 208 + 4);
    m->events = window(0, region(m->dsdt, "GDST"));
    m->pci = window(1, region(m->dsdt, "PCST"));
}

/* -- time -------------------------------------------------------------------------------------- */

static struct {
    uint16_t low, selector, type, middle;
    uint32_t high, zero;
} interrupts[TICK + 1];

static volatile uint32_t *apic(size_t offset)
{
    return (volatile uint32_t *)(0xfee00000 + offset);
}

/* The local APIC's timer wakes the processor every 50 ms of its 1 GHz. */
static void start_ticking(void)
{
    uintptr_t handler = (uintptr_t)on_tick;
    interrupts[TICK].low = (uint16_t)handler;
    interrupts[TICK].middle = (uint16_t)(handler >> 16);
    interrupts[TICK].selector = 8;
    interrupts[TICK].type = 0x8e00;
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } pointer = {sizeof(interrupts) - 1, (uintptr_t)interrupts};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    *apic(0xf0) = 0x1ff;           /* on */
    *apic(0x3e0) = 0xb;            /* divided by 1 */
    *apic(0x320) = 0x20000 | TICK; /* periodic */
    *apic(0x380) = 50 * 1000 * 1000;
}

/* Of the PM timer since the first call; it wraps after 20 minutes, which is enough. */
static uint32_t now_ms(const struct machine *m)
{
    static uint32_t first, set;
    uint32_t now = in32(m->timer_port);
    if (!set) {
        first = now;
        set = 1;
    }
    return (now - first) / (PM_TIMER_HZ / 1000);
}

/* -- what it does ------------------------------------------------------------------------------ */

static void end_with(const struct machine *m, uint8_t value)
{
    out8(m->sleep_port, value);
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* The registers of no device, which KVM can't fetch an instruction from. */
static void break_down(void)
{
    __asm__ volatile("jmp *%0" : : "r"((uintptr_t)0xd0000000));
}

static void let_go(const struct machine *m)
{
    uint32_t down = m->pci[1];
    (void)m->pci[0]; /* a read clears it */
    if (down && !word(m->line, "keeps"))
        m->pci[2] = down;
}

static void hear(const struct machine *m, int32_t *off)
{
    uint8_t told = *m->events;
    if (told & GED_PCI)
        let_go(m);
    if (told & GED_POWER_BUTTON && !word(m->line, "deaf")) {
        int32_t obey = number_of(m->line, "obey");
        say("tiny-guest: power button\r\n");
        *off = (int32_t)now_ms(m) + (obey < 0 ? 0 : obey);
    }
}

static void tell(int32_t lines)
{
    for (int32_t i = 0; i < lines; i++) {
        say("tiny-guest: line ");
        say_number((uint32_t)i);
        for (int more = 0; more < 100; more++)
            say(".");
        say("\r\n");
    }
}

static void run(const struct machine *m)
{
    int32_t off = number_of(m->line, "off"), reset = number_of(m->line, "reset");
    int32_t breaks = number_of(m->line, "breaks");
    (void)now_ms(m);
    for (;;) {
        hear(m, &off);
        listen();
        int32_t now = (int32_t)now_ms(m);
        if (off >= 0 && now >= off)
            end_with(m, SLEEP_OFF);
        if (reset >= 0 && now >= reset)
            end_with(m, RESET);
        if (breaks >= 0 && now >= breaks)
            break_down();
        sleep_a_tick();
    }
}

void guest_main(const struct start_info *info);
void guest_main(const struct start_info *info)
{
    struct machine m = {.line = info->command_line ? at(info->command_line) : "",
                        .mib = memory_of(info)};
    read_tables(&m, at(info->rsdp));
    say("tiny-guest: up, ");
    say_number(m.cpus);
    say(" cpu, ");
    say_number(m.mib);
    say(" MiB, ");
    say(m.line);
    say("\r\n");
    tell(number_of(m.line, "tells"));
    start_ticking();
    run(&m);
}
