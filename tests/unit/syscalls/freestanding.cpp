// What the agent does with the table, compiled and linked as the agent is: no library, no
// relocation.
#include "shim/syscalls/syscalls.h"

extern "C" {

/// Something of each part of the header, with values that only run time knows.
[[gnu::visibility("default")]] std::uint64_t use_table(long nr, int i, const std::uint64_t* args,
                                                       long ret) {
  const mx::sys::Desc& desc = mx::sys::describe(nr);
  return mx::sys::compared_value(desc, i, args) + mx::sys::bytes_in(desc, i, args, 1) +
         mx::sys::bytes_out(desc, i, args, ret, 1, 2) + mx::sys::size_word_address(desc, i, args) +
         mx::sys::names_process(desc, i, args) + static_cast<std::uint64_t>(mx::sys::name(desc)[0]);
}
}
