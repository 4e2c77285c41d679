// `mx image` and `mx configure` alone, for the tests of the engines.
#include <cstring>

#include "oci/configure/edit.hpp"
#include "oci/store/store.hpp"

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "configure") == 0)
    return mx::oci::configure_main(argc - 1, argv + 1);
  if (argc > 1 && strcmp(argv[1], "image") == 0) return mx::oci::image_main(argc - 1, argv + 1);
  return 2;
}
