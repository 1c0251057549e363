/*
 * One operation under way, as its handler sees it (ops.c holds it, ops_table.c names the handlers).
 *
 * A handler begins it and later calls op_finish() or op_fail(), once, from the loop; after that the op
 * is gone for it. An operation that streams is given a source (op_file.c, op_fd.c) by op_stream(): from
 * then on the source's owner calls op_send() within op_room(), and ends it the same way. `source->close`
 * is called once when it ends, whoever ends it, and frees what the source holds.
 * Thread: the loop's.
 */
#ifndef HM_AGENT_OP_H
#define HM_AGENT_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <jansson.h>

#include "agent/ops.h"
#include "base/error.h"
#include "proto/operation.h"
#include "vmm/driver.h"

struct op;

const struct operation_request *op_request(const struct op *op);
const struct ops_options *op_site(const struct op *op);

/* What calls back later holds it meanwhile. One that is over takes no result any more: op_finish(),
 * op_fail(), op_progress() do nothing then, and op_site() must not be asked. */
void op_hold(struct op *op);
void op_release(struct op *op);
bool op_is_over(const struct op *op);

void op_progress(struct op *op, int percent, const char *text);
/* `value` is taken over; NULL: {}. */
void op_finish(struct op *op, json_t *value);
void op_fail(struct op *op, const struct hm_error *err);

struct op_source {
    void (*more)(void *source); /* there is room again */
    /* Bytes to the thing: how many were taken, from the first. NULL: it takes none. */
    size_t (*input)(void *source, const void *data, size_t len);
    void (*close)(void *source);
};
/* `more` follows soon. */
void op_stream(struct op *op, const struct op_source *source, void *data);
size_t op_room(const struct op *op); /* bytes that may be sent now; at most OPERATION_FRAME_MAX */
void op_send(struct op *op, const void *bytes, size_t len);

/* The sources. The path is copied, a descriptor taken over. */
struct op_file {
    const char *path;
    bool follow;
    int64_t from;       /* nothing before this is sent; a file that was replaced is sent whole */
    size_t back;        /* begin so many rotations ago: in PATH.0 for 1, and go on to PATH */
    int64_t tail_lines; /* the last lines of the file itself; -1: all */
    int input; /* takes what is sent to the thing, and the file is followed until its end; -1: none */
};
void op_stream_file(struct op *op, const struct op_file *file);
void op_stream_fd(struct op *op, int fd);
/* A source's `input`, to an open stream: what it has no room for is not taken. */
size_t op_write(uv_stream_t *stream, const void *bytes, size_t len);

/* Operations on the site: `check` (ops_check.c). */
void op_begin_check(struct op *op);

/* Handlers (ops_table.c): begins the operation. */
typedef void (*op_begin)(struct op *op);
op_begin op_handler(const struct operation *operation);

#endif
