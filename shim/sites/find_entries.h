// Finds the entries of lock functions in an ELF file that is a C library (or contains one).
#pragma once
#include <vector>

#include "elf_image.h"
#include "site_table.h"

namespace mx::sites {

/// The functions of lock_entries.h that `image` defines and whose first bytes a jump can replace,
/// ascending by offset, not overlapping `sites`. A function that is found twice (old and new symbol
/// version) has two entries. Those of libc count only in a
/// file that has pthread_create too: before glibc 2.34, libc.so.6 only forwards to libpthread.
std::vector<LockEntry> find_lock_entries(const ElfImage& image, const std::vector<Site>& sites);

}  // namespace mx::sites
