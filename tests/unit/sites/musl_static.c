// Linked statically against musl and stripped: no CFI, no symbols. Only looked at, never run.
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  printf("%d %ld\n", (int)getpid(), (long)time(NULL));
  return 0;
}
