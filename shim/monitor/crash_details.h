// The contents of a crash folder: crash.json for machines, crash.txt for people, maps. See
// docs/crash-report.md.
#pragma once
#include "recovery/elf_view.h"
#include "shim/monitor/crash.h"

namespace mx::monitor {

/// "function+0x1f", or "file+0x1234" where there is no symbol. `returns`: an address that a call
/// returns to; behind a call that never does, the next function begins.
std::string symbol_text(const recovery::ElfView& elf, const std::string& path, uint64_t address,
                        bool returns = false);

/// Writes the folder. Takes its time: to be called in a process of its own. `line`: the crash line.
/// `explain`: ask the analyser about the stacks.
void write_details(const Crash& crash, const nlohmann::ordered_json& line,
                   const std::string& folder, bool explain);

}  // namespace mx::monitor
