// Functions as .eh_frame knows them: also stripped files have it, where the compiler wrote CFI.
#pragma once
#include <cstdint>
#include <vector>

#include "elf_image.h"

namespace mx::sites {

/// One frame description entry.
struct Frame {
  uint64_t begin;
  uint64_t end;
  uint64_t lsda;        // address of the language-specific data (landing pads); 0: none
  bool unknown_lsda;    // it has one, but in an encoding that is not understood
  bool signal_handler;  // augmentation 'S': the return from a signal handler
};

/// Every readable frame description of the file, in the order of the file. An unreadable entry is
/// skipped, an unreadable length ends the walk. Found by PT_GNU_EH_FRAME, else by section name.
std::vector<Frame> read_frames(const ElfImage& image);

/// Reads the landing pads in the call-site table at frame.lsda (gcc's and clang's layout, Itanium
/// C++ ABI) and appends their addresses to `pads`. False if it cannot be read.
bool read_landing_pads(const ElfImage& image, const Frame& frame, std::vector<uint64_t>* pads);

}  // namespace mx::sites
