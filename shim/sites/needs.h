// What a program needs beside itself to start: its
// loader and its libraries, by the names it gives them.
#pragma once
#include <string>
#include <vector>

#include "elf_image.h"

namespace mx::sites {

struct Needs {
  std::string loader;                  ///< PT_INTERP; empty: static
  std::vector<std::string> libraries;  ///< DT_NEEDED
  std::vector<std::string> folders;    ///< DT_RUNPATH or DT_RPATH, as written
};

/// Reads the program headers of an ELF file that may be hostile; what is wrong in it is left out.
Needs needs_of(Bytes elf_file);

/// One line each: "loader NAME", "library NAME", "folder NAME"; and back.
std::string to_text(const Needs& needs);
Needs needs_from_text(std::string_view text);

}  // namespace mx::sites
