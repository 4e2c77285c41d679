// Two processes answer lines in turn, each with its number: who has a semaphore in memory that they
// share waits for the next line, and the other one for the semaphore.
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
  sem_t takes, answers;
  int count;
};

static void answer(struct shared* s, const char* text) {
  char out[128];
  sem_wait(&s->answers);
  const int size = snprintf(out, sizeof out, "%d %s\n", ++s->count, text);
  if (write(1, out, size) != size) _exit(9);
  sem_post(&s->answers);
}

static void serve(struct shared* s) {
  for (char line[64];;) {
    sem_wait(&s->takes);
    const ssize_t n = read(0, line, sizeof line - 1);
    sem_post(&s->takes);
    if (n <= 0) _exit(0);
    line[n] = 0;
    line[strcspn(line, "\n")] = 0;
    answer(s, line);
  }
}

int main(void) {
  struct shared* s =
      mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (s == MAP_FAILED || sem_init(&s->takes, 1, 1) != 0 || sem_init(&s->answers, 1, 1) != 0)
    return 7;
  answer(s, "ready");
  for (int i = 0; i < 2; i++)
    if (fork() == 0) serve(s);
  while (wait(NULL) > 0) continue;
  return 5;
}
