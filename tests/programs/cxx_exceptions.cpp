// C++ exceptions unwind through frames that make system calls, in threads too.
// build: -pthread
// expect: ok: 30 exceptions
#include <stdexcept>
#include <string>
#include <thread>

#include "check.h"

static int destroyed;

struct Guard {
  ~Guard() { __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST); }
};

static void dive(int depth) {
  Guard guard;
  CHECK(getppid() > 0);
  if (depth == 0) throw std::runtime_error("depth " + std::to_string(getpid()));
  dive(depth - 1);
}

static void throw_ten() {
  for (int i = 0; i < 10; i++) {
    try {
      dive(i);
      CHECK(!"no exception");
    } catch (const std::runtime_error& error) {
      CHECK(error.what() == "depth " + std::to_string(getpid()));
    }
  }
}

int main() {
  throw_ten();
  std::thread first(throw_ten), second(throw_ten);
  first.join();
  second.join();
  CHECK(destroyed == 3 * 55);
  puts("ok: 30 exceptions");
}
