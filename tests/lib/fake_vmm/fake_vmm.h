/*
 * A fake of cloud-hypervisor: one process, one unix socket, one VM, and no guest. It behaves as the
 * real one was observed to (v53.0, and v50.1 where it differs), with real TAP devices, real locks on
 * disk images, a real serial file or terminal, and faults on request. What stands in for the guest
 * is a line on the serial console and a table of moments at which it does something (guest.c).
 *
 * The process is one thread and one VM, so `struct vmm` lives in main and is handed to everything.
 * Failures are `struct answer`s: the status and the chain of texts that the real one gives. Times
 * are milliseconds of CLOCK_MONOTONIC. Out of memory ends the process.
 */
#ifndef TESTS_LIB_FAKE_VMM_FAKE_VMM_H
#define TESTS_LIB_FAKE_VMM_FAKE_VMM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    DEVICES_MAX = 64,
    PATH_LIMIT = 1024,
    BODY_MAX = 51200, /* of the real one's HTTP server */
};

enum vm_state { VM_CREATED, VM_RUNNING, VM_PAUSED };

enum device_sort { DEVICE_DISK, DEVICE_NET };

/* A device of a booted VM: what it holds open is what others see of it. */
struct device {
    enum device_sort sort;
    char id[64];
    unsigned slot; /* 0000:00:SLOT.0 */
    int fds[16];   /* the image, or the queues of the TAP */
    size_t fd_count;
    bool unplugging; /* removal was asked for and the guest has not let go */
};

/* What the command line says. */
struct options {
    char api_socket[PATH_LIMIT], event_monitor[PATH_LIMIT], log_file[PATH_LIMIT];
    bool no_shutdown;
    int version; /* 50 or 53; 48: the name of one that is too old, no more */
};

/* What the guest will do, by name of the word in its command line. */
struct guest {
    bool deaf, keeps; /* ignores the power button; lets go of no device */
    int64_t off_ms, reset_ms, breaks_ms, obey_ms;
    int64_t off_at, reset_at, breaks_at, eject_at, button_at; /* 0: not */
    int64_t paused_at;
    char line[80]; /* what was typed so far */
    size_t line_length;
    unsigned lines; /* that it has heard; all of its memory that is saved */
};

/* A fault that was asked for; see fault.c. */
enum fault_sort { FAULT_NONE, FAULT_HANG, FAULT_SLOW, FAULT_GARBAGE, FAULT_DIE, FAULT_CLOSE };
struct fault {
    enum fault_sort sort;
    int64_t ms;
};

struct vmm {
    struct options options;
    json_t *config; /* NULL: nothing is created */
    enum vm_state state;
    bool booted;
    uint64_t booted_memory; /* bytes: what it had at its boot */
    struct device devices[DEVICES_MAX];
    size_t device_count;
    unsigned next_id;
    int serial;   /* -1: nowhere */
    int keyboard; /* stdin, where that is a terminal and so is the console; -1: none */
    int serial_listener, serial_client; /* of a serial console on a socket */
    struct guest guest;
    bool ends; /* leave the loop and exit 0 */
};

/* An answer's text is owned by its holder (free); NULL: no body. */
struct answer {
    int status;
    char *text;
};

static inline bool refuses(struct answer answer)
{
    return answer.status != 0;
}
#define FINE                                                                                       \
    (struct answer)                                                                                \
    {                                                                                              \
        0, NULL                                                                                    \
    }

int64_t now_ms(void);
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* answer.c: a chain of texts, the outermost first; ends with NULL. */
struct answer refuse(int status, ...) __attribute__((sentinel));
/* The same with `outer` in front of a refusal's chain. */
struct answer within(const char *outer, struct answer inner);
struct answer done(void);              /* 204 */
struct answer done_with(json_t *body); /* 200; takes the reference */
struct answer done_with_text(char *text);
const char *os_error(int number); /* "No such file or directory (os error 2)" */

/* What is not there: 404, and 500 before v53. */
int not_there(const struct vmm *v);

/* api.c: one request. `body` is NULL if there was none. */
struct answer handle(struct vmm *v, const char *method, const char *path, const char *body,
                     size_t size);

/* types.c: what the real one's deserializer takes, drops and fills in. On success `*ret` is a new
 * object. `kind`: "VmConfig", "DiskConfig", "NetConfig" ... */
struct answer read_as(const struct vmm *v, const char *kind, const char *body, size_t size,
                      json_t **ret);
/* config.c */
struct answer validate(const struct vmm *v, const json_t *config);
uint64_t total_memory(const json_t *config);
uint64_t number(const json_t *object, const char *name);
const char *text(const json_t *object, const char *name); /* or NULL */

/* life.c */
struct answer vm_create(struct vmm *v, json_t *config);
struct answer vm_boot(struct vmm *v);
struct answer vm_shutdown(struct vmm *v);
struct answer vm_reboot(struct vmm *v);
struct answer vm_delete(struct vmm *v);
struct answer vm_pause_(struct vmm *v);
struct answer vm_resume(struct vmm *v);
char *vm_info(const struct vmm *v);

/* device.c, disk.c, net.c */
struct answer open_devices(struct vmm *v);
void close_devices(struct vmm *v);
struct answer plug(struct vmm *v, enum device_sort sort, json_t *config, struct device **ret);
struct answer unplug(struct vmm *v, const char *id);
void eject_unplugged(struct vmm *v); /* the guest lets go of what was asked for */
struct answer no_such_device(const struct vmm *v, const char *id);
struct answer open_disk(const struct vmm *v, const json_t *config, bool booting, int *ret);
bool is_qcow2(int fd);
struct answer resize_disk(const struct vmm *v, const json_t *config, uint64_t size);
struct answer open_tap(json_t *config, struct device *device);
char *counters(const struct vmm *v);
json_t *device_tree(const struct vmm *v);
void close_device(struct vmm *v, struct device *device);

/* serial.c */
struct answer open_serial(struct vmm *v);
void close_serial(struct vmm *v);
void serial_say(struct vmm *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
void serial_accept(struct vmm *v);
bool serial_is_heard(const struct vmm *v); /* what is typed; else it waits in the terminal */
void serial_hear(struct vmm *v);

/* snapshot.c */
struct answer vm_snapshot(struct vmm *v, const char *url);
struct answer vm_restore(struct vmm *v, const json_t *how);

/* resize.c */
struct answer vm_resize(struct vmm *v, const json_t *wanted);

/* guest.c */
void guest_boot(struct vmm *v);
void guest_restore(struct vmm *v, unsigned lines); /* paused */
void guest_power_button(struct vmm *v);
void guest_hear(struct vmm *v, const char *typed, size_t size);
void guest_device_asked_back(struct vmm *v);
void guest_pause(struct vmm *v);
void guest_resume(struct vmm *v);
void guest_stop(struct vmm *v);
void guest_act(struct vmm *v);          /* whatever is due */
int64_t guest_due(const struct vmm *v); /* ms until then, -1: nothing */

/* event.c: `properties` may be NULL; takes the reference. */
void event_open(const char *path);
void event(const char *source, const char *name, json_t *properties);

/* fault.c: what is asked for this call ("vm.boot") now. */
struct fault fault_for(const struct vmm *v, const char *call);

/* server.c */
void serve(struct vmm *v, int listener, int signals);

/* options.c */
void read_options(int argc, char **argv, struct options *ret);
const char *version_name(int version); /* "53.0.0" */

#endif
