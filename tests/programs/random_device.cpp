// Random numbers from the processor: what is written of them is the same in both versions.
// build: -pthread
// expect: written alone
// expect: written beside a thread
#include <random>
#include <thread>

#include "check.h"

static void write_random(int fd, const char* when) {
  std::random_device device;
  unsigned numbers[16];
  for (unsigned& n : numbers) n = device();
  CHECK(write(fd, numbers, sizeof numbers) == sizeof numbers);
  printf("written %s\n", when);
}

int main() {
  const int fd = open("/dev/null", O_WRONLY);
  CHECK(fd >= 0);
  write_random(fd, "alone");
  int ends[2];
  CHECK(pipe(ends) == 0);
  std::thread other([&] {
    char c;
    CHECK(read(ends[0], &c, 1) == 1);
  });
  write_random(fd, "beside a thread");
  CHECK(write(ends[1], "", 1) == 1);
  other.join();
}
