// A statically linked program: no loader, no libraries.
// build: -static
// expect: ok: static
#include <elf.h>
#include <sys/auxv.h>

#include "check.h"

int main(void) {
  CHECK(getauxval(AT_BASE) == 0);  // no interpreter was mapped
  const Elf64_Phdr* header = (const Elf64_Phdr*)getauxval(AT_PHDR);
  for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) CHECK(header[i].p_type != PT_INTERP);
  put_file("file", "static");
  pid_t child = fork();
  if (child == 0) _exit(file_is("file", "static") ? 3 : 4);
  CHECK(wait_for(child) == 3);
  puts("ok: static");
}
