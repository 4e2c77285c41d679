// std::async, promises and a condition variable hand values between threads.
// build: -pthread
// expect: ok: sum 4950
#include <future>
#include <numeric>
#include <vector>

#include "check.h"

int main() {
  std::vector<std::future<int>> parts;
  for (int i = 0; i < 10; i++) {
    parts.push_back(std::async(std::launch::async, [i] {
      int sum = 0;
      for (int j = 0; j < 10; j++) sum += i * 10 + j;
      return sum;
    }));
  }
  int sum = 0;
  for (auto& part : parts) sum += part.get();
  std::promise<int> promise;
  std::thread thread([&promise] { promise.set_value(7); });
  CHECK(promise.get_future().get() == 7);
  thread.join();
  printf("ok: sum %d\n", sum);
}
