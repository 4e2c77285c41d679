// The auxiliary vector: AT_RANDOM differs between programs, and the other entries make sense.
// expect: ok: auxiliary vector
#include <sys/auxv.h>

#include "check.h"

int main(int argc, char** argv) {
  const unsigned char* random = (const unsigned char*)getauxval(AT_RANDOM);
  char hex[33];
  CHECK(random != NULL);
  for (int i = 0; i < 16; i++) sprintf(hex + 2 * i, "%02x", random[i]);
  if (argc == 2) {
    CHECK(strcmp(argv[1], hex) != 0);
    puts("ok: auxiliary vector");
    return 0;
  }
  CHECK(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_SECURE) == 0 && getauxval(AT_UID) == 0);
  CHECK(getauxval(AT_PHDR) != 0 && getauxval(AT_ENTRY) != 0 && getauxval(AT_CLKTCK) == 100);
  const char* name = (const char*)getauxval(AT_EXECFN);
  CHECK(strcmp(strrchr(name, '/'), strrchr(argv[0], '/')) == 0);
  execl("/proc/self/exe", argv[0], hex, NULL);
  CHECK(!"exec failed");
}
