// Answers each line with its number; one of three threads that wait for work does. One that has
// worked waits beside those that have waited longer, which is where glibc's conditions are subtle.
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static char line[64] = "ready";
static int jobs, answers;

static void answer(void) {
  char out[128];
  const int size = snprintf(out, sizeof out, "%d %s\n", ++answers, line);
  if (write(1, out, size) != size) _exit(9);
}

static void* serve(void* unused) {
  pthread_mutex_lock(&guard);
  for (;;) {
    while (answers == jobs) pthread_cond_wait(&work, &guard);
    answer();
    pthread_cond_signal(&done);
  }
  return unused;
}

static void have_it_answered(void) {
  jobs++;
  pthread_cond_signal(&work);
  while (answers != jobs) pthread_cond_wait(&done, &guard);
}

int main(void) {
  pthread_t thread;
  for (int i = 0; i < 3; i++)
    if (pthread_create(&thread, NULL, serve, NULL) != 0) return 7;
  pthread_mutex_lock(&guard);
  have_it_answered();
  for (;;) {
    char text[64];
    pthread_mutex_unlock(&guard);
    const ssize_t n = read(0, text, sizeof text - 1);
    if (n <= 0) _exit(5);
    text[n] = 0;
    text[strcspn(text, "\n")] = 0;
    pthread_mutex_lock(&guard);
    strcpy(line, text);
    have_it_answered();
  }
}
