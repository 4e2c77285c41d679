// A library is loaded at run time, its calls work, it is unloaded and loaded again.
// build: -ldl
// expect: ok: loaded 3 times
#include <dlfcn.h>

#include "check.h"

int main(void) {
  static char path[4096];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path - 64);
  CHECK(size > 0);
  strcpy(strrchr(path, '/'), "/plugin_library.so");
  for (int i = 0; i < 3; i++) {
    void* library = dlopen(path, RTLD_NOW);
    CHECK(library != NULL);
    long (*pid)(void) = (long (*)(void))dlsym(library, "plugin_pid");
    int* answer = dlsym(library, "plugin_answer");
    CHECK(pid != NULL && answer != NULL && *answer == 41);
    CHECK(pid() == getpid() && *answer == 42);
    CHECK(dlsym(library, "missing") == NULL && dlerror() != NULL);
    CHECK(dlclose(library) == 0);
  }
  CHECK(dlopen("/no/such/library.so", RTLD_NOW) == NULL);
  void* math = dlopen("libm.so.6", RTLD_LAZY);
  double (*root)(double) = (double (*)(double))dlsym(math, "sqrt");
  CHECK(root(144.0) == 12.0);
  puts("ok: loaded 3 times");
}
