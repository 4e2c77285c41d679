// Calls that the kernel defines as the same operation under several numbers, as the table's lines
// "= OTHER arguments" say. Freestanding, like syscalls.h.
#pragma once

#include "shim/syscalls/syscalls.h"

namespace mx::sys {

/// Where an argument of the other call comes from.
enum class Source : std::uint8_t {
  kArg,       ///< it is this call's argument `arg`
  kConstant,  ///< `value`
  kIgnored,   ///< the kernel does not look at it
  kEmpty,     ///< a path: the empty string
  kMs,        ///< struct timespec for argument `arg`, a number of milliseconds (negative: none)
  kUs,        ///< struct timespec for the struct timeval at argument `arg`
};

struct FormArg {
  Source source;
  std::uint8_t arg;
  std::int32_t value;
};

/// System call `nr` as system call `normal`.
struct Form {
  std::uint16_t nr, normal;
  FormArg args[kMaxArgs];
};

namespace detail {
inline constexpr Form kForms[] = {
#include "mx/syscalls/forms.inc"
};

struct FormIndex {
  std::uint8_t at[kMax + 1];
};
constexpr FormIndex make_form_index() {
  FormIndex index{};
  for (std::size_t i = 0; i < sizeof kForms / sizeof kForms[0]; ++i)
    index.at[kForms[i].nr] = static_cast<std::uint8_t>(i + 1);
  return index;
}
inline constexpr FormIndex kFormIndex = make_form_index();
}  // namespace detail

/// Null: it has no other form, or is the one that others have.
constexpr const Form* form_of(std::uint64_t nr) {
  if (nr > kMax || !detail::kFormIndex.at[nr]) return nullptr;
  return &detail::kForms[detail::kFormIndex.at[nr] - 1];
}

/// The number that stands for all that are the same operation with suitable arguments.
constexpr std::uint64_t normal_number(std::uint64_t nr) {
  const Form* form = form_of(nr);
  return form ? form->normal : nr;
}

}  // namespace mx::sys
