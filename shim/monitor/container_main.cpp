// mx-monitor: the first process of a container with two versions. Static: it runs in whatever root
// the container has.
#include <cstdio>
#include <cstring>
#include <exception>

#include "shim/monitor/container.h"
#include "shim/monitor/error.h"

int main(int argc, char** argv) {
  if (argc != 4 || strcmp(argv[1], "container") != 0 || strcmp(argv[2], "--settings") != 0) {
    fputs("mx-monitor: mx-runtime makes this a container's first process; see mx-runtime(8)\n",
          stderr);
    return 125;
  }
  try {
    return mx::monitor::run_container(argv[3]);
  } catch (const mx::monitor::Error& error) {
    fprintf(stderr, "mx: %s\n", error.what());
    return error.status;
  } catch (const std::exception& error) {
    fprintf(stderr, "mx: %s\n", error.what());
    return 125;
  }
}
