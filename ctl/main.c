/* harmonyctl: the operator's program. docs/reference/harmonyctl.md */
#include <signal.h>
#include <stdio.h>

#include "ctl/command.h"
#include "proto/tree.h"

int main(int argc, char **argv)
{
    tree_setup();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe or connection is an error, not our end */
    return (int)ctl_run(argc - 1, argv + 1, stdout, stderr);
}
