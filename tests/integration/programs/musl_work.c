/* Built with musl-gcc: files, directories, a pipe to a child, threads, time. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void* count(void* to) {
  long* number = to;
  for (int i = 0; i < 100000; ++i) ++*number;
  return NULL;
}

int main(void) {
  for (int i = 0; i < 10; ++i) {
    char name[32];
    snprintf(name, sizeof name, "file%d", i);
    FILE* file = fopen(name, "w");
    fprintf(file, "content %d\n", i * i);
    fclose(file);
  }
  int entries = 0;
  DIR* here = opendir(".");
  while (readdir(here)) ++entries;
  closedir(here);
  printf("%d entries\n", entries);

  FILE* pipe = popen("cat file3 file7", "r");
  char line[64];
  while (fgets(line, sizeof line, pipe)) fputs(line, stdout);
  printf("child %d\n", pclose(pipe));

  pthread_t threads[4];
  long numbers[4] = {0};
  for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, count, &numbers[i]);
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  printf("%ld\n", numbers[0] + numbers[1] + numbers[2] + numbers[3]);

  struct timespec before, after, nap = {0, 20000000};
  clock_gettime(CLOCK_MONOTONIC, &before);
  nanosleep(&nap, NULL);
  clock_gettime(CLOCK_MONOTONIC, &after);
  long slept = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
  printf("slept enough: %d\n", slept >= 19);
  return 11;
}
