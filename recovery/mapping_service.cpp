#include "recovery/mapping_service.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "analyzer/mapping/cache_name.h"
#include "analyzer/mapping/identity.h"
#include "recovery/find_analyzer.h"

namespace mx::recovery {
namespace {

constexpr const char* kNotFinished = "the analysis is not finished";
constexpr int kExitGone = 127;
// Where the versions keep all processors busy, a fourth of one: with nice 19 a crash would wait for
// ten seconds.
constexpr int kNice = 6;

/// From the cache; null when it is not there or damaged.
std::shared_ptr<const mapping::MappingFile> cached(const std::string& old_path,
                                                   const std::string& new_path) {
  auto old_id = mapping::identity_of(old_path), new_id = mapping::identity_of(new_path);
  if (!old_id || !new_id) return nullptr;
  auto file = mapping::MappingFile::open(mapping::cache_folder() + "/" +
                                         mapping::cache_name(old_id.value(), new_id.value()));
  if (!file || !(file.value()->header().old_file == old_id.value()) ||
      !(file.value()->header().new_file == new_id.value()))
    return nullptr;
  return file.value();
}

/// The last line of what the analyser said.
std::string last_line(int fd) {
  char text[512];
  off_t size = lseek(fd, 0, SEEK_END);
  off_t from = std::max<off_t>(0, size - static_cast<off_t>(sizeof text));
  ssize_t n = pread(fd, text, sizeof text, from);
  std::string all(text, n > 0 ? static_cast<size_t>(n) : 0);
  while (!all.empty() && all.back() == '\n') all.pop_back();
  all = all.substr(all.rfind('\n') + 1);
  for (char& c : all)
    if (static_cast<unsigned char>(c) < 32) c = ' ';
  return all;
}

/// Only async-signal-safe calls: the owner may have threads.
[[noreturn]] void run_analyzer(const char* const argv[], int output, int mapping, int nice) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  lower_rights();
  setpriority(PRIO_PROCESS, 0, nice);
  sched_param zero{};
  sched_setscheduler(0, SCHED_BATCH, &zero);
  int null = open("/dev/null", O_RDWR);
  dup2(null, 0);
  dup2(mapping, 1);
  dup2(output, 2);
  syscall(SYS_close_range, 3u, ~0u, 0u);
  execv(argv[0], const_cast<char* const*>(argv));
  _exit(kExitGone);
}

}  // namespace

MappingService::MappingService(std::string analyzer) : analyzer_(std::move(analyzer)) {}

MappingService::~MappingService() {
  if (child_ > 0) {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, __WALL);
  }
  for (int fd : {pidfd_, output_, mapping_})
    if (fd >= 0) close(fd);
}

void MappingService::want(const std::string& old_path, const std::string& new_path) {
  Pair pair{old_path, new_path};
  if (known_.count(pair)) return;
  if (auto file = cached(old_path, new_path)) {
    known_[pair] = {file, ""};
    return;
  }
  if (analyzer_.empty()) {
    known_[pair] = {nullptr, "the analyser is not installed"};
    return;
  }
  known_[pair] = {nullptr, kNotFinished};
  waiting_.push_back(pair);
  start_next();
}

MappingService::Answer MappingService::get(const std::string& old_path,
                                           const std::string& new_path) {
  want(old_path, new_path);
  return known_[{old_path, new_path}];
}

void MappingService::hurry() {
  hurried_ = true;
  if (child_ > 0)
    setpriority(PRIO_PROCESS, static_cast<id_t>(child_), 0);  // refused without CAP_SYS_NICE
}

void MappingService::start_next() {
  while (child_ == 0 && !waiting_.empty()) {
    running_ = waiting_.front();
    waiting_.pop_front();
    output_ = memfd_create("mx-analyze messages", MFD_CLOEXEC);
    mapping_ = memfd_create("mx-analyze mapping", MFD_CLOEXEC);
    const char* argv[] = {analyzer_.c_str(),
                          running_.first.c_str(),
                          running_.second.c_str(),
                          "--format",
                          "mapping",
                          nullptr};
    pid_t pid = output_ < 0 || mapping_ < 0 ? -1 : fork();
    if (pid == 0) run_analyzer(argv, output_, mapping_, hurried_ ? 0 : kNice);
    if (pid < 0) {
      known_[running_] = {
          nullptr, std::string("the analysis failed: it cannot be started: ") + strerror(errno)};
      close_files();
      continue;
    }
    child_ = pid;
    pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  }
}

void MappingService::close_files() {
  for (int* fd : {&pidfd_, &output_, &mapping_}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

void MappingService::finished(int status) {
  Answer& answer = known_[running_];
  auto fail = [&](const std::string& why) { answer = {nullptr, "the analysis failed: " + why}; };
  if (WIFSIGNALED(status)) {
    fail("signal " + std::to_string(WTERMSIG(status)));
  } else if (WEXITSTATUS(status) == kExitGone) {
    fail(analyzer_ + " cannot be executed");
  } else if (WEXITSTATUS(status) != 0) {
    fail(last_line(output_));
  } else if (auto file = cached(running_.first, running_.second)) {
    answer = {file, ""};
  } else {  // the cache cannot be written: the child's output is the mapping
    auto made = mapping::MappingFile::open("/proc/self/fd/" + std::to_string(mapping_));
    if (made)
      answer = {made.value(), ""};
    else
      fail(made.error().sentence);
  }
  close_files();
  child_ = 0;
  start_next();
}

bool MappingService::child_ended(pid_t pid, int status) {
  if (pid <= 0 || pid != child_ || WIFSTOPPED(status)) return false;
  finished(status);
  return true;
}

void MappingService::poll() {
  int status;
  if (child_ > 0 && waitpid(child_, &status, WNOHANG | __WALL) == child_)
    child_ended(child_, status);
}

}  // namespace mx::recovery
