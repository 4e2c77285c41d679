// Exceptions thrown in, through and into changed functions.
#include <cstdio>
#include <stdexcept>
#include <string>

extern "C" {
#include "work.h"
}

#define NOINLINE __attribute__((noinline))

namespace {

int destroyed;
struct Guard {
  int weight;
  ~Guard() { destroyed += weight; }
};
struct Mine {
  int value;
};

NOINLINE void thrower(int x) {
  if (x == 1) throw std::runtime_error("one");
  if (x == 2) throw Mine{20};
  if (x == 3) throw std::string("three");
}

// Changed: has an object to destroy while an exception passes.
NOINLINE int passes(int x) {
#ifdef NEW_VERSION
  Guard g{100};
  thrower(x);
  return 7000;
#else
  Guard g{1};
  thrower(x);
  return 7;
#endif
}

// Changed: catches by type.
NOINLINE int catches(int x) {
  try {
    return passes(x);
  } catch (const Mine& m) {
#ifdef NEW_VERSION
    return m.value + 5000;
#else
    return m.value + 5;
#endif
  } catch (const std::runtime_error& e) {
#ifdef NEW_VERSION
    return e.what()[0] + 9000;
#else
    return e.what()[0];
#endif
  }
}

// Unchanged: catches what the changed ones let pass.
NOINLINE int outermost(int x) {
  try {
    return catches(x);
  } catch (const std::string& s) {
    return static_cast<int>(s.size());
  }
}

}  // namespace

extern "C" int work(int command, int x) {
  if (command == 'e') return outermost(x);
  if (command == 'd') return destroyed;
  return -1;
}
