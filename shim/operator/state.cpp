#include "shim/operator/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "shim/operator/utc_time.h"

namespace mx::op {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

constexpr size_t kMaxMeta = 1 << 20;
constexpr char kUnfinished[] = ",new-";  // a folder before it has its name; no id begins so

std::runtime_error failure(const std::string& what) {
  return std::runtime_error(what + ": " + std::strerror(errno));
}

std::string now() { return utc_seconds(time(nullptr)); }

// Seven letters and digits without those that look alike; begins with a letter.
std::string fresh_id() {
  static constexpr char kLetters[] = "abcdefghjkmnpqrstuvwxyz",
                        kAll[] = "abcdefghjkmnpqrstuvwxyz23456789";
  uint8_t random[7];
  if (getrandom(random, sizeof random, 0) != sizeof random) throw failure("getrandom");
  std::string id;
  for (uint8_t r : random)
    id += id.empty() ? kLetters[r % (sizeof kLetters - 1)] : kAll[r % (sizeof kAll - 1)];
  return id;
}

ordered_json read_json(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  if (error || size > kMaxMeta) return {};
  std::ifstream in(file);
  return ordered_json::parse(in, nullptr, false);
}

// Nobody else may have made it, or be able to write in it.
void make_base(const std::string& base) {
  if (mkdir(base.c_str(), 0700) != 0 && errno == ENOENT) {
    std::error_code error;
    fs::create_directories(fs::path(base).parent_path(), error);
    mkdir(base.c_str(), 0700);
  }
  struct stat st;
  if (lstat(base.c_str(), &st) != 0) throw failure("cannot create " + base);
  if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
    throw std::runtime_error(base + " is not a folder of this user's own (others may write in it)");
}

int lock_of(const std::string& folder, int flags) {
  return open((folder + "/lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
}

bool locked(const std::string& folder) {
  const int fd = lock_of(folder, 0);
  if (fd < 0) return false;
  const bool taken = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(fd);
  return taken;
}

bool has_crashes(const std::string& folder) {
  std::error_code error;
  return fs::directory_iterator(folder + "/out/crash", error) != fs::directory_iterator();
}

void remove_tree(const std::string& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
}

std::string& second_base() {
  static std::string base;
  return base;
}

bool old_file(const fs::path& path) {
  std::error_code error;
  const auto t = fs::last_write_time(path, error);
  return !error && fs::file_time_type::clock::now() - t > std::chrono::minutes(1);
}

}  // namespace

std::string state_base() {
  if (const char* given = getenv("MX_STATE_DIR"); given && *given == '/') return given;
  if (geteuid() == 0) return "/run/mx";
  if (const char* runtime = getenv("XDG_RUNTIME_DIR"); runtime && *runtime == '/')
    return std::string(runtime) + "/mx";
  return "/tmp/mx-" + std::to_string(geteuid());
}

bool valid_id(const std::string& id) {
  if (id.empty() || id.size() > 64 || id[0] == '.' || id[0] == '-') return false;
  return std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

void also_look_in(const std::string& base) {
  if (!getenv("MX_STATE_DIR") && base != state_base()) second_base() = base;
}

namespace {

void add_runs(const std::string& base, std::vector<Run>& runs) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(base, error)) {
    Run run;
    run.id = entry.path().filename().string();
    run.folder = entry.path().string();
    if (!valid_id(run.id)) continue;
    run.meta = read_json(entry.path() / "run.json");
    run.container = !run.meta.is_object();
    if (run.container) run.meta = read_json(entry.path() / "meta.json");
    if (!run.meta.is_object()) continue;
    run.alive = run.container || locked(run.folder);
    runs.push_back(std::move(run));
  }
}

}  // namespace

std::vector<Run> all_runs() {
  std::vector<Run> runs;
  add_runs(state_base(), runs);
  if (!second_base().empty()) add_runs(second_base(), runs);
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) {
    auto created = [](const Run& r) {
      return r.meta.contains("created") ? r.meta["created"].dump() : std::string();
    };
    return std::make_pair(created(a), a.id) < std::make_pair(created(b), b.id);
  });
  return runs;
}

Run find_run(const std::string& id) {
  std::vector<Run> found;
  for (Run& run : all_runs()) {
    if (run.id == id) return run;
    if (!id.empty() && run.id.starts_with(id)) found.push_back(run);
  }
  if (found.empty())
    throw std::runtime_error("no run '" + id + "' in " + state_base() + " (mx ps lists them)");
  if (found.size() > 1)
    throw std::runtime_error("more than one id begins with '" + id + "': " + found[0].id + ", " +
                             found[1].id);
  return found[0];
}

void clean_stale_runs(size_t keep) {
  std::error_code error;
  std::vector<std::pair<fs::file_time_type, std::string>> ended;
  for (const auto& entry : fs::directory_iterator(state_base(), error)) {
    const std::string name = entry.path().filename().string(), folder = entry.path().string();
    if (name.starts_with(kUnfinished) && !locked(folder) && old_file(entry.path()))
      remove_tree(folder);
    std::error_code ignored;
    if (!valid_id(name) || !fs::exists(entry.path() / "run.json", ignored) || locked(folder))
      continue;
    if (has_crashes(folder)) {
      ended.emplace_back(fs::last_write_time(entry.path() / "out", ignored), folder);
    } else {
      remove_tree(folder);
    }
  }
  std::sort(ended.rbegin(), ended.rend());
  for (size_t i = keep; i < ended.size(); i++) remove_tree(ended[i].second);
}

StateFolder::StateFolder(const std::string& id, const ordered_json& meta) {
  if (!id.empty() && !valid_id(id))
    throw std::runtime_error("'" + id +
                             "' is no id: letters, digits, '_', '.' and '-', at most 64");
  make_base(state_base());
  make(id);
  ordered_json all{{"id", id_}, {"created", now()}};
  all.update(meta);
  std::ofstream file(folder_ + "/run.json");
  file << all.dump(2, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  file.close();
  if (!file) {
    remove_tree(folder_);
    throw std::runtime_error("cannot write " + folder_ + "/run.json");
  }
}

// Under another name until it is locked: who cleans
// up must never see a living run without its lock.
void StateFolder::make(const std::string& id) {
  const std::string base = state_base();
  std::string unfinished = base + "/" + kUnfinished + "XXXXXX";
  if (!mkdtemp(unfinished.data())) throw failure("cannot create a folder in " + base);
  for (const char* part : {"/out", "/out/crash"})
    if (mkdir((unfinished + part).c_str(), 0700) != 0)
      throw failure("cannot create " + unfinished + part);
  lock_ = lock_of(unfinished, O_CREAT);
  if (lock_ < 0 || flock(lock_, LOCK_EX | LOCK_NB) != 0) throw failure("cannot lock " + unfinished);
  for (int attempt = 0; attempt < 100; attempt++) {
    id_ = id.empty() ? fresh_id() : id;
    folder_ = base + "/" + id_;
    if (!id.empty() && !locked(folder_) && fs::exists(folder_ + "/run.json")) remove_tree(folder_);
    if (rename(unfinished.c_str(), folder_.c_str()) == 0) return;
    if (!id.empty()) break;
  }
  const int error = errno;
  remove_tree(unfinished);
  errno = error;
  if (errno == ENOTEMPTY || errno == EEXIST)
    throw std::runtime_error("a run with the id " + id + " is alive");
  throw failure("cannot create " + folder_);
}

StateFolder::~StateFolder() {
  if (owner_) {
    unlink((out() + "/control.sock").c_str());
    if (!has_crashes(folder_)) remove_tree(folder_);
  }
  if (lock_ >= 0) close(lock_);
}

}  // namespace mx::op
