// The transplant: brings the code of the version that survived into a process of the version that
// crashed, and takes it out again. Start here.
//
//     Transplanter t(mappings);                       // one for each pair of processes, kept for
//     the whole run auto stack = walk_stack(pid, registers);        // of the crashed process,
//     before it is reaped Outcome o = t.apply({target, Side::kOld, survivor_pid, threads,
//     addresses_of(stack)}); if (o.ok()) { … set the threads' registers, let them run to the
//     divergence point, stop them …
//                   o = t.revert({target, …, threads}); }
//
// apply() and revert() change the process only when they succeed: everything is planned and checked
// first. Only one of the two may run at a time; nothing here blocks on another process (apart from
// the remote calls).
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "recovery/mapping_service.h"
#include "recovery/target.h"

namespace mx::recovery {

/// Which version a process runs. Same values as stream::Version.
enum class Side : uint8_t { kOld = 0, kNew = 1 };

/// What a thread's user code will run with when it goes
/// on; callee-saved registers are enough at a system call.
struct Registers {
  uint64_t rip = 0, rsp = 0, rbp = 0, rbx = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
};

struct ThreadState {
  pid_t tid = 0;
  Registers registers;   ///< in: as the program would see them at the end of the system call; out:
                         ///< what to set
  bool changed = false;  ///< out: registers differ from what came in
};

/// One frame of a stack, innermost first.
struct StackFrame {
  uint64_t address =
      0;              ///< where it stands: rip for the innermost, the return address for the others
  uint64_t cfa = 0;   ///< canonical frame address; 0: not known
  uint64_t slot = 0;  ///< where on the stack `address` is stored; 0: innermost
  bool interrupted =
      false;  ///< `address` is where a signal struck (or the innermost), not a return address
  std::string module;      ///< path of the file, "" if none
  uint64_t in_module = 0;  ///< address in that file (load bias taken off)
};

/// Walks a stack with the unwinding data of the modules themselves. Ends at
/// the outermost frame, or where the data ends, or after `most` frames; never
/// fails, a stack that cannot be read gives one frame. Knows transplanted
/// frames. REQUIRES: the process stands still and may be traced by the caller.
std::vector<StackFrame> walk_stack(pid_t pid, const Registers& registers, size_t most = 256);
std::vector<uint64_t> addresses_of(const std::vector<StackFrame>& stack);

enum class Reason : uint8_t {
  kDone,
  kNoMapping,       ///< the analysis is not finished, or failed
  kNothingChanged,  ///< the versions' files are the same
  kUnreadable,      ///< the process or a file of it cannot be read
  kNoRoom,          ///< no free addresses near the code
  kNotCarried,      ///< the analyser's verdict: the function cannot run on the other version's data
  kFrameDiffers,    ///< a function that is active and took part in the crash has another frame
  kCodeInUse,       ///< an instruction pointer stands where the redirect would be written
  kUnwinding,       ///< exceptions could not pass the new code
  kProcessRefused,  ///< a remote call or a write failed
};
const char* to_string(Reason);

struct Step {
  std::string name;
  uint64_t microseconds = 0;
};

struct Outcome {
  Reason reason = Reason::kDone;
  std::string sentence;                ///< for a person; empty when done without a remark
  std::vector<std::string> functions;  ///< whose code was brought in (apply) or taken out (revert)
  std::vector<std::string> left;  ///< "name: why" for changed functions that keep their own code
  uint32_t frames_moved = 0;      ///< return addresses rewritten
  uint32_t frames_rebuilt =
      0;  ///< of those: frames that are rebuilt when the call in which they wait returns
  uint32_t frames_kept = 0;  ///< revert: frames that stay in the brought code until they return
  std::vector<Step> steps;
  uint64_t microseconds = 0;
  bool ok() const { return reason == Reason::kDone; }
};

struct Request {
  Target& target;      ///< the recovered process; all its threads stand still
  Side side;           ///< which version it is
  pid_t survivor = 0;  ///< a live process of the other version (its maps say which files it uses)
  std::vector<ThreadState>& threads;  ///< all threads of the process
  std::vector<uint64_t> crash_stack =
      /// addresses_of(walk_stack(crashed process)); may be empty: then every changed function that
      /// is active must be movable
      {};
};

class Transplanter {
 public:
  explicit Transplanter(MappingService& mappings);
  ~Transplanter();
  Transplanter(const Transplanter&) = delete;
  Transplanter& operator=(const Transplanter&) = delete;

  /// Asks for the mappings of all modules that the two processes have and that differ, so that they
  /// are there when a crash comes. Call it once after start-up, and again after failover; cheap.
  void prepare(pid_t old_process, pid_t new_process);
  /// Plans what apply() would do in `process` (or a fork of it), so that the first crash finds it
  /// ready. Changes nothing; does nothing without a mapping.
  void plan_ahead(pid_t process, Side side, pid_t survivor);
  /// Brings the survivor's code in. The second time in the
  /// same process image (or a fork of it) it only patches.
  Outcome apply(const Request& request);
  /// Takes it out: entries are the version's own again; frames in the brought code go back where
  /// they agree, else they stay until they return (the code stays mapped for them).
  Outcome revert(const Request& request);
  /// True while this address belongs to brought code (of any module).
  bool brought(uint64_t address) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mx::recovery
