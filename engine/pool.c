/* The thread team. Work is published by raising a generation number; workers take chunks from one
 * counter, and the last to finish wakes the caller. Waiting spins for some microseconds and then
 * sleeps on a futex, so that a decode step of many small parallel loops stays fast and an idle
 * program costs nothing. */
#include "engine/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPIN_ROUNDS = 4000 };

struct pool {
    int n_threads;
    pthread_t *threads; /* [n_threads - 1] */
    _Atomic uint32_t generation;
    _Atomic uint32_t n_busy; /* workers that have not finished this generation */
    _Atomic uint32_t sleepers;
    atomic_bool quit;
    /* The work of this generation. */
    pool_fn fn;
    void *context;
    const nawi_cancel *cancel;
    int64_t n_chunk;
    _Atomic int64_t next;
};

struct worker {
    struct pool *pool;
    int index;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void take_chunks(struct pool *pool, int thread)
{
    for (;;) {
        int64_t chunk = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (chunk >= pool->n_chunk || nawi_cancel_is_asked(pool->cancel))
            return;
        pool->fn(pool->context, chunk, thread);
    }
}

static void *work(void *argument)
{
    struct worker worker = *(struct worker *)argument;
    struct pool *pool = worker.pool;
    uint32_t seen = 0;
    g_free(argument);
    for (;;) {
        for (int i = 0; i < SPIN_ROUNDS && atomic_load(&pool->generation) == seen; i++)
            relax();
        while (atomic_load(&pool->generation) == seen) {
            atomic_fetch_add(&pool->sleepers, 1);
            futex_wait(&pool->generation, seen);
            atomic_fetch_sub(&pool->sleepers, 1);
        }
        seen++;
        if (atomic_load(&pool->quit))
            return NULL;
        take_chunks(pool, worker.index);
        if (atomic_fetch_sub(&pool->n_busy, 1) == 1)
            futex_wake(&pool->n_busy);
    }
}

struct pool *pool_create(int n_threads)
{
    struct pool *pool = g_new0(struct pool, 1);
    pool->n_threads = 1;
    pool->threads = g_new0(pthread_t, MAX(n_threads - 1, 1));
    for (int i = 1; i < n_threads; i++) {
        struct worker *worker = g_new(struct worker, 1);
        *worker = (struct worker){pool, i};
        if (pthread_create(&pool->threads[i - 1], NULL, work, worker) != 0) {
            g_free(worker); /* fewer threads are slower, not wrong */
            break;
        }
        pool->n_threads++;
    }
    return pool;
}

void pool_destroy(struct pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->quit, true);
    atomic_fetch_add(&pool->generation, 1);
    futex_wake(&pool->generation);
    for (int i = 1; i < pool->n_threads; i++)
        pthread_join(pool->threads[i - 1], NULL);
    g_free(pool->threads);
    g_free(pool);
}

int pool_get_size(const struct pool *pool) { return pool->n_threads; }

void pool_run(struct pool *pool, int64_t n_chunk, pool_fn fn, void *context,
              const nawi_cancel *cancel)
{
    if (n_chunk <= 0)
        return;
    pool->fn = fn;
    pool->context = context;
    pool->cancel = cancel;
    pool->n_chunk = n_chunk;
    atomic_store(&pool->next, 0);
    if (pool->n_threads == 1 || n_chunk == 1) {
        take_chunks(pool, 0);
        return;
    }
    atomic_store(&pool->n_busy, (uint32_t)pool->n_threads - 1);
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleepers) > 0)
        futex_wake(&pool->generation);
    take_chunks(pool, 0);
    for (int i = 0; i < SPIN_ROUNDS && atomic_load(&pool->n_busy) > 0; i++)
        relax();
    uint32_t busy;
    while ((busy = atomic_load(&pool->n_busy)) > 0)
        futex_wait(&pool->n_busy, busy);
}
