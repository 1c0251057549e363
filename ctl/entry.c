#include "ctl/entry.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static struct entry copy_of(const struct entry *entry)
{
    struct entry copy = *entry;
    copy.key = hm_strdup(entry->key);
    copy.value = hm_memdup(entry->value, entry->len);
    return copy;
}

void entries_add(struct entries *list, const struct entry *entry)
{
    list->items = hm_realloc_array(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = copy_of(entry);
}

static int by_key_and_revision(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    if (order)
        return order;
    return x->revision < y->revision ? -1 : x->revision > y->revision;
}

void entries_keep_last(struct entries *list)
{
    size_t kept = 0;
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, by_key_and_revision);
    for (size_t i = 0; i < list->count; i++) {
        bool is_last =
            i + 1 == list->count || strcmp(list->items[i].key, list->items[i + 1].key) != 0;
        if (is_last)
            list->items[kept++] = list->items[i];
        else
            entry_clear(&list->items[i]);
    }
    list->count = kept;
}

static int compare_key(const void *key, const void *entry)
{
    return strcmp(key, ((const struct entry *)entry)->key);
}

const struct entry *entries_find(const struct entries *list, const char *key)
{
    if (list->count == 0)
        return NULL;
    return bsearch(key, list->items, list->count, sizeof *list->items, compare_key);
}

void entry_clear(struct entry *entry)
{
    free(entry->key);
    free(entry->value);
    *entry = (struct entry){0};
}

void entries_clear(struct entries *list)
{
    for (size_t i = 0; i < list->count; i++)
        entry_clear(&list->items[i]);
    free(list->items);
    *list = (struct entries){0};
}

json_t *entry_object(const struct entry *entry)
{
    if (!entry || entry->deleted)
        return NULL;
    json_t *value = json_loadb(entry->value, entry->len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}
