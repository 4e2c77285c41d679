// iostreams and std::filesystem: write, read, walk, rename, remove.
// expect: dir/a 5
// expect: dir/b 7
// expect: ok: 2 files
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "check.h"

namespace fs = std::filesystem;

int main() {
  fs::create_directories("dir/deep/er");
  std::ofstream("dir/a") << "12345";
  std::ofstream("dir/deep/er/x") << "1234567";
  fs::rename("dir/deep/er/x", "dir/b");
  CHECK(fs::remove_all("dir/deep") == 2);
  std::set<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator("dir")) files.insert(entry.path());
  for (const auto& file : files)
    std::cout << file.string() << ' ' << fs::file_size(file) << std::endl;
  std::ifstream in("dir/b");
  long number = 0;
  in >> number;
  CHECK(number == 1234567);
  fs::copy_file("dir/a", "copy");
  CHECK(fs::file_size("copy") == 5);
  std::cout << "ok: " << files.size() << " files" << std::endl;
}
