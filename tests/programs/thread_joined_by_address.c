// Waits for its threads in the order of addresses, another in each version, and tries each one's semaphore with a mutex held.
// build: -pthread
// expect: ok: 8 rounds
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>

static pthread_mutex_t everything = PTHREAD_MUTEX_INITIALIZER;
static sem_t done[2], ready, go;

static void* soon(void* unused) {
  pthread_mutex_lock(&everything);
  pthread_mutex_unlock(&everything);
  sem_post(&done[0]);
  sem_post(&ready);
  return unused;
}

static void* when_told(void* unused) {
  sem_wait(&go);
  pthread_mutex_lock(&everything);
  pthread_mutex_unlock(&everything);
  sem_post(&done[1]);
  return unused;
}

// As python does: only who has to wait lets the others go on.
static void wait_for(sem_t* one) {
  if (sem_trywait(one) == 0) return;
  pthread_mutex_unlock(&everything);
  sem_post(&go);
  sem_wait(one);
  pthread_mutex_lock(&everything);
}

int main(void) {
  int rounds = 0;
  uintptr_t address = (uintptr_t)&rounds;
  for (; rounds < 8; rounds++) {
    pthread_t threads[2];
    sem_init(&done[0], 0, 0);
    sem_init(&done[1], 0, 0);
    sem_init(&ready, 0, 0);
    sem_init(&go, 0, 0);
    pthread_create(&threads[0], 0, soon, 0);
    pthread_create(&threads[1], 0, when_told, 0);
    sem_wait(&ready);
    int first = address >> (12 + rounds) & 1;
    pthread_mutex_lock(&everything);
    wait_for(&done[first]);
    wait_for(&done[!first]);
    pthread_mutex_unlock(&everything);
    pthread_join(threads[0], 0);
    pthread_join(threads[1], 0);
  }
  printf("ok: %d rounds\n", rounds);
  return 0;
}
