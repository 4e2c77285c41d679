// One thread takes a lock 20,000 times, puts a number into a queue and tells another one, which
// says the number: between what the second one does stand very many places in the order of events.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER, guard = PTHREAD_MUTEX_INITIALIZER;
static int queue[64], first, last, made, told, ready;

static void* produce(void* unused) {
  uint64_t taken;
  for (int number = 1;; number++) {
    for (int i = 0; i < 20000; i++) {
      pthread_mutex_lock(&busy);
      made++;
      pthread_mutex_unlock(&busy);
    }
    pthread_mutex_lock(&guard);
    queue[last++ % 64] = number;
    pthread_mutex_unlock(&guard);
    uint64_t one = 1;
    if (write(told, &one, 8) != 8 || read(ready, &taken, 8) != 8) return unused;
  }
}

int main(void) {
  pthread_t producer;
  told = eventfd(0, 0);
  ready = eventfd(0, 0);
  pthread_create(&producer, NULL, produce, NULL);
  for (uint64_t n = 0; read(told, &n, 8) == 8;) {
    pthread_mutex_lock(&guard);
    const int number = first < last ? queue[first++ % 64] : 0;
    pthread_mutex_unlock(&guard);
    n = 1;
    dprintf(1, "%d\n", number);
    if (write(ready, &n, 8) != 8) return 1;
  }
}
