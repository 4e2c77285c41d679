// One thing that `mx doctor` has looked at.
#pragma once
#include <string>
#include <vector>

namespace mx::doctor {

enum class State {
  kOk,
  kNote,    ///< works, with less than could be; or is not there and not needed
  kFailed,  ///< mx does not work, or not as it promises
};

struct Finding {
  std::string name;  ///< of the thing: "ptrace", "docker"
  State state = State::kOk;
  std::string text;    ///< what was found, a sentence without a full stop
  std::string remedy;  ///< what to do about it; "" if it is well
};

}  // namespace mx::doctor
