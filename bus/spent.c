#include "bus/spent.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static natsMsg *kept[SPENT_MAX];
static size_t count, bytes;

/* With the lock held. */
static void hand_over(void)
{
    for (size_t i = 0; i < count; i++)
        natsMsg_Destroy(kept[i]);
    count = bytes = 0;
}

void spent_put(natsMsg *message)
{
    if (!message)
        return;
    pthread_mutex_lock(&lock);
    kept[count++] = message;
    bytes += (size_t)natsMsg_GetDataLength(message);
    if (count == SPENT_MAX || bytes >= SPENT_BYTES)
        hand_over();
    pthread_mutex_unlock(&lock);
}

void spent_flush(void)
{
    pthread_mutex_lock(&lock);
    hand_over();
    pthread_mutex_unlock(&lock);
}

size_t spent_count(void)
{
    pthread_mutex_lock(&lock);
    size_t now = count;
    pthread_mutex_unlock(&lock);
    return now;
}
