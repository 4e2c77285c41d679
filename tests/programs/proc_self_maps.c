// /proc/self/maps has the program's own code, data, heap and stack with the right permissions.
// expect: ok: maps
#include "check.h"

static int data = 1;

static void permissions(const void* address, char* found) {
  char line[4096];
  FILE* maps = fopen("/proc/self/maps", "r");
  CHECK(maps != NULL);
  strcpy(found, "none");
  while (fgets(line, sizeof line, maps)) {
    uintptr_t start, end;
    char rights[8];
    CHECK(sscanf(line, "%lx-%lx %7s", &start, &end, rights) == 3 && start < end);
    if ((uintptr_t)address >= start && (uintptr_t)address < end) strcpy(found, rights);
  }
  CHECK(fclose(maps) == 0);
}

int main(void) {
  char rights[8];
  permissions((void*)(uintptr_t)&main, rights);
  CHECK(strcmp(rights, "r-xp") == 0);
  permissions(&data, rights);
  CHECK(strcmp(rights, "rw-p") == 0);
  permissions(rights, rights);
  CHECK(strcmp(rights, "rw-p") == 0);
  void* heap = malloc(100);
  permissions(heap, rights);
  CHECK(strcmp(rights, "rw-p") == 0);
  permissions((void*)16, rights);
  CHECK(strcmp(rights, "none") == 0);
  puts("ok: maps");
}
