#include "shim/monitor/crash_details.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "recovery/find_analyzer.h"
#include "recovery/stack_walk.h"
#include "shim/monitor/report.h"
#include "shim/stream/history.h"

namespace mx::monitor {

using namespace stream;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {

constexpr size_t kMostFrames = 64;
constexpr size_t kMostAnswer = 4 << 20;

struct NamedRegister {
  const char* name;
  uint64_t SavedRegisters::*value;
};
constexpr NamedRegister kRegisters[] = {
    {"rip", &SavedRegisters::rip}, {"rsp", &SavedRegisters::rsp},
    {"rbp", &SavedRegisters::rbp}, {"rax", &SavedRegisters::rax},
    {"rbx", &SavedRegisters::rbx}, {"rcx", &SavedRegisters::rcx},
    {"rdx", &SavedRegisters::rdx}, {"rsi", &SavedRegisters::rsi},
    {"rdi", &SavedRegisters::rdi}, {"r8", &SavedRegisters::r8},
    {"r9", &SavedRegisters::r9},   {"r10", &SavedRegisters::r10},
    {"r11", &SavedRegisters::r11}, {"r12", &SavedRegisters::r12},
    {"r13", &SavedRegisters::r13}, {"r14", &SavedRegisters::r14},
    {"r15", &SavedRegisters::r15}, {"eflags", &SavedRegisters::eflags}};

// The versions' own idea of the program, from the process.
std::string program_of(pid_t pid) {
  std::error_code error;
  return fs::read_symlink("/proc/" + std::to_string(pid) + "/exe", error).string();
}

// Runs the analyser and returns what it prints; not an object if it fails.
ordered_json run_analyzer(const std::vector<std::string>& arguments) {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(out[1], 1);
    dup2(null, 2);
    std::vector<char*> argv;
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    alarm(15);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    recovery::lower_rights();
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(out[1]);
  std::string text;
  char part[65536];
  for (ssize_t n;
       child > 0 && text.size() < kMostAnswer && (n = read(out[0], part, sizeof part)) > 0;)
    text.append(part, n);
  close(out[0]);
  int status = 0;
  if (child > 0) waitpid(child, &status, 0);
  return child > 0 && status == 0 ? ordered_json::parse(text, nullptr, false) : ordered_json();
}

ordered_json frame_json(const recovery::StackFrame& f, const recovery::AddressSpace& space,
                        bool returns) {
  ordered_json j{{"address", hex(f.address)}};
  const recovery::Module* m = space.module_at(f.address);
  if (m && m->elf) {
    j["symbol"] = symbol_text(*m->elf, m->path, f.in_module, returns);
    j["module"] = printable(m->path.data(), m->path.size());
    j["module_address"] = hex(f.in_module);
  }
  return j;
}

struct Walked {
  ordered_json json;
  std::vector<std::string>
      question;  ///< for the analyser: addresses in the program itself; empty: none
};

// A stack, innermost frame first.
Walked stack_of(pid_t pid, const SavedRegisters& r, const Crash& crash, Version v) {
  Walked walked{{{"version", name(v)}, {"pid", pid}}, {}};
  auto found = recovery::address_space(pid);
  if (!r.valid || !found) return walked;
  const recovery::AddressSpace& space = found.value();
  const recovery::Registers registers{r.rip, r.rsp, r.rbp, r.rbx, r.r12, r.r13, r.r14, r.r15};
  std::string addresses;
  bool first_inside = false;
  ordered_json frames = ordered_json::array();
  for (const recovery::StackFrame& f :
       recovery::walk_stack(pid, registers, space, {}, kMostFrames)) {
    const recovery::Module* m = space.module_at(f.address);
    if (m && m->main) {
      if (frames.empty()) first_inside = true;
      addresses += (addresses.empty() ? "" : ",") + hex(f.in_module).substr(2);
    }
    frames.push_back(frame_json(f, space, !frames.empty()));
  }
  walked.json["stack"] = frames;
  const std::string analyzer = recovery::find_analyzer(), own = program_of(pid);
  const std::string other_program = program_of(v == crash.version ? crash.survivor : crash.pid);
  if (analyzer.empty() || addresses.empty() || own.empty()) return walked;
  walked.question = {analyzer,       "--explain", addresses,   "--module", own,
                     "--version-is", name(v),     "--listing", "12"};
  if (!other_program.empty())
    walked.question.insert(walked.question.end(), {"--other", other_program});
  if (!first_inside) walked.question.push_back("--return-addresses");
  return walked;
}

void copy_maps(pid_t pid, const std::string& to) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/maps");
  std::ofstream out(to);
  out << in.rdbuf();
}

void write_file(const std::string& path, const std::string& text) {
  const std::string part = path + ".part";
  std::ofstream out(part);
  out << text;
  out.close();
  rename(part.c_str(), path.c_str());
}

void print_stack(std::ostream& out, const ordered_json& s, const char* title) {
  out << "\n" << title << " (" << s.value("version", "") << ", pid " << s["pid"] << ")\n";
  if (!s.contains("stack")) out << "  not known\n";
  int n = 0;
  if (s.contains("stack"))
    for (const ordered_json& f : s["stack"])
      out << "  #" << n++ << "  " << f.value("address", "") << "  " << f.value("symbol", "?")
          << "  " << f.value("module", "") << "\n";
  if (s.contains("analysis")) out << s["analysis"].dump(2) << "\n";
}

std::string for_people(const ordered_json& j) {
  std::ostringstream out;
  out << "The " << j.value("version", "") << " version crashed: signal " << j["signal"] << " ("
      << strsignal(j.value("signal", 0)) << "), pid " << j["pid"] << "\n";
  for (const char* key : {"address", "symbol", "module", "fault_address", "reason"})
    if (j.contains(key)) out << key << ": " << j[key].get<std::string>() << "\n";
  if (j.contains("registers")) {
    out << "\nRegisters\n";
    int n = 0;
    for (const auto& [key, value] : j["registers"].items())
      out << "  " << key << " " << value.get<std::string>() << (++n % 4 ? "" : "\n");
    out << "\n";
  }
  if (j.contains("crashed")) print_stack(out, j["crashed"], "Stack of the version that crashed");
  if (j.contains("survivor"))
    print_stack(out, j["survivor"], "Stack of the survivor, where it heard of the crash");
  out << "\nLast calls of the version that crashed\n";
  if (j.contains("last_calls"))
    for (const ordered_json& c : j["last_calls"]) out << "  " << c.get<std::string>() << "\n";
  out << "\nLast calls of the survivor\n";
  if (j.contains("survivor_last_calls"))
    for (const ordered_json& c : j["survivor_last_calls"])
      out << "  " << c.get<std::string>() << "\n";
  return out.str();
}

}  // namespace

std::string symbol_text(const recovery::ElfView& elf, const std::string& path, uint64_t address,
                        bool returns) {
  std::string symbol = elf.symbol_at(address - returns);
  uint64_t offset = address;
  if (!symbol.empty()) {
    const auto start = elf.symbol(symbol);
    offset = start && *start <= address ? address - *start : 0;
  } else {
    symbol = fs::path(path).filename();
  }
  return printable(symbol.data(), symbol.size()) + "+" + hex(offset);
}

void write_details(const Crash& crash, const ordered_json& line, const std::string& folder,
                   bool explain) {
  ordered_json j{{"format", 1}};
  j.update(line);
  const Version survivor = other(crash.version);
  const SavedRegisters own = crash.registers_of(crash.version);
  const SavedRegisters theirs = crash.registers_of(survivor);
  if (own.valid && crash.signal)
    for (const NamedRegister& r : kRegisters) j["registers"][r.name] = hex(own.*r.value);
  j["survivor_last_calls"] = last_calls(crash, survivor);
  // The survivor runs: its stack first, and it may have moved on nevertheless.
  std::map<std::string, Walked> stacks;
  if (crash.survivor && theirs.valid) {
    stacks["survivor"] = stack_of(crash.survivor, theirs, crash, survivor);
    stacks["survivor"].json["running"] = true;
  }
  if (crash.stands) {
    stacks["crashed"] = stack_of(crash.pid, own, crash, crash.version);
    copy_maps(crash.pid, folder + "/maps");
  }
  for (auto& [who, walked] : stacks) {
    j[who] = walked.json;
    if (walked.question.empty() || !explain) continue;
    const ordered_json analysis = run_analyzer(walked.question);
    if (analysis.is_object()) j[who]["analysis"] = analysis;
  }
  write_file(folder + "/crash.json",
             j.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
  write_file(folder + "/crash.txt", for_people(j));
}

}  // namespace mx::monitor
