#include "ctl/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"

static struct termios before;
static volatile sig_atomic_t is_raw;

void terminal_restore(void)
{
    if (!is_raw)
        return;
    is_raw = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before); /* async-signal-safe, signal-safety(7) */
}

/* The default action follows: it was reset when this was called. */
static void on_fatal(int number)
{
    terminal_restore();
    raise(number);
}

static void catch_what_kills(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT, SIGXCPU};
    struct sigaction action = {.sa_handler = on_fatal,
                               .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    for (size_t i = 0; i < HM_COUNT(numbers); i++)
        sigaction(numbers[i], &action, NULL);
}

bool terminal_make_raw(void)
{
    static bool prepared;
    struct termios raw;
    if (is_raw || tcgetattr(STDIN_FILENO, &before) < 0)
        return is_raw;
    if (!prepared) {
        prepared = true;
        catch_what_kills();
        atexit(terminal_restore);
    }
    raw = before;
    cfmakeraw(&raw);
    is_raw = 1; /* first: a signal in between restores once too often, not once too little */
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    return true;
}
