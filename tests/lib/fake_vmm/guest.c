/*
 * What stands in for the guest. It says one line on the serial console when it boots, as the tests'
 * tiny guest does, and then does what words of its kernel command line say (times in milliseconds):
 *
 *   off=MS     powers itself off that long after its boot
 *   reset=MS   resets itself that long after its boot
 *   breaks=MS  can't be run any further that long after its boot
 *   obey=MS    powers off that long after the power button (0 by default)
 *   deaf       does not hear the power button
 *   keeps      does not let go of a device that is to be removed
 *   tells=N    says N more lines of some hundred bytes as soon as it is up
 *
 * To a line that is typed on the console it says "heard LINE", and to "lines" how many it has heard since its boot:
 * that is what it holds in memory.
 *
 * A paused guest does nothing; its clock stands still.
 */
#include "fake_vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *word(const char *cmdline, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = cmdline; at && (at = strstr(at, name)); at += length)
        if ((at == cmdline || at[-1] == ' ') && strchr("= ", at[length]))
            return at + length;
    return NULL;
}

static int64_t number_of(const char *cmdline, const char *name, int64_t otherwise)
{
    const char *found = word(cmdline, name);
    return found && *found == '=' ? strtoll(found + 1, NULL, 10) : otherwise;
}

static const char *cmdline_of(const struct vmm *v)
{
    const char *cmdline = text(json_object_get(v->config, "payload"), "cmdline");
    return cmdline ? cmdline : "";
}

static void read_words(struct vmm *v)
{
    const char *cmdline = cmdline_of(v);
    v->guest = (struct guest){.deaf = word(cmdline, "deaf"),
                              .keeps = word(cmdline, "keeps"),
                              .off_ms = number_of(cmdline, "off", -1),
                              .reset_ms = number_of(cmdline, "reset", -1),
                              .breaks_ms = number_of(cmdline, "breaks", -1),
                              .obey_ms = number_of(cmdline, "obey", 0)};
}

static void tell(struct vmm *v, int64_t lines)
{
    char dots[101] = "";
    memset(dots, '.', sizeof(dots) - 1);
    for (int64_t i = 0; i < lines; i++)
        serial_say(v, "tiny-guest: line %lld%s\r\n", (long long)i, dots);
}

void guest_boot(struct vmm *v)
{
    struct guest *guest = &v->guest;
    int64_t now = now_ms();
    read_words(v);
    guest->off_at = guest->off_ms >= 0 ? now + guest->off_ms : 0;
    guest->reset_at = guest->reset_ms >= 0 ? now + guest->reset_ms : 0;
    guest->breaks_at = guest->breaks_ms >= 0 ? now + guest->breaks_ms : 0;
    serial_say(v, "tiny-guest: up, %lu cpu, %lu MiB, %s\r\n",
               number(json_object_get(v->config, "cpus"), "boot_vcpus"),
               total_memory(v->config) >> 20, cmdline_of(v));
    tell(v, number_of(cmdline_of(v), "tells", 0));
}

void guest_restore(struct vmm *v, unsigned lines)
{
    read_words(v);
    v->guest.lines = lines;
    v->guest.paused_at = now_ms();
}

void guest_power_button(struct vmm *v)
{
    if (!v->guest.deaf)
        v->guest.button_at = now_ms();
}

void guest_hear(struct vmm *v, const char *typed, size_t size)
{
    struct guest *guest = &v->guest;
    for (size_t i = 0; i < size; i++) {
        if (typed[i] != '\r' && typed[i] != '\n') {
            guest->line[guest->line_length] = typed[i];
            guest->line_length += guest->line_length + 1 < sizeof(guest->line);
            continue;
        }
        guest->lines++;
        serial_say(v, "tiny-guest: heard %.*s\r\n", (int)guest->line_length, guest->line);
        if (guest->line_length == 5 && memcmp(guest->line, "lines", 5) == 0)
            serial_say(v, "tiny-guest: %u lines so far\r\n", guest->lines);
        guest->line_length = 0;
    }
}

void guest_device_asked_back(struct vmm *v)
{
    if (!v->guest.keeps)
        v->guest.eject_at = now_ms();
}

void guest_pause(struct vmm *v)
{
    v->guest.paused_at = now_ms();
}

void guest_resume(struct vmm *v)
{
    int64_t stood = now_ms() - v->guest.paused_at;
    int64_t *moments[] = {&v->guest.off_at, &v->guest.reset_at, &v->guest.breaks_at,
                          &v->guest.eject_at, &v->guest.button_at};
    for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++)
        *moments[i] += *moments[i] ? stood : 0;
}

void guest_stop(struct vmm *v)
{
    v->guest.off_at = v->guest.reset_at = v->guest.breaks_at = v->guest.eject_at =
        v->guest.button_at = 0;
}

static bool is_due(int64_t *moment, int64_t now)
{
    if (!*moment || *moment > now)
        return false;
    *moment = 0;
    return true;
}

/* The VMM ends as if somebody had shut it down, and says otherwise in its log alone. */
static void break_down(struct vmm *v)
{
    fputs("cloud-hypervisor: <vcpu0> ERROR:vmm/src/cpu.rs:1460 -- VCPU generated error: "
          "VcpuRun(Failed to run vcpu\n\nCaused by:\n"
          "    Unexpected exit reason on vcpu run: InternalError)\n",
          stderr);
    free(vm_delete(v).text);
    event("vmm", "shutdown", NULL);
    v->ends = true;
}

void guest_act(struct vmm *v)
{
    int64_t now = now_ms();
    if (v->state != VM_RUNNING)
        return;
    if (is_due(&v->guest.eject_at, now))
        eject_unplugged(v);
    if (is_due(&v->guest.button_at, now)) {
        serial_say(v, "tiny-guest: power button\r\n");
        v->guest.off_at = now + v->guest.obey_ms;
    }
    if (is_due(&v->guest.breaks_at, now))
        break_down(v);
    else if (is_due(&v->guest.reset_at, now))
        free(vm_reboot(v).text);
    else if (is_due(&v->guest.off_at, now)) {
        free(vm_shutdown(v).text);
        v->ends = !v->options.no_shutdown;
    }
}

int64_t guest_due(const struct vmm *v)
{
    int64_t due = -1, now = now_ms();
    const int64_t moments[] = {v->guest.off_at, v->guest.reset_at, v->guest.breaks_at,
                               v->guest.eject_at, v->guest.button_at};
    for (size_t i = 0; v->state == VM_RUNNING && i < sizeof(moments) / sizeof(*moments); i++) {
        int64_t left = moments[i] > now ? moments[i] - now : 0;
        if (moments[i] && (due < 0 || left < due))
            due = left;
    }
    return due;
}
