#include "shim/monitor/last_words.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace mx::monitor {

namespace {

bool read_counts(const std::string& path, uint64_t (&io)[2]) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[512];
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n < 0) return false;
  text[n] = 0;
  return std::sscanf(text, "rchar: %lu wchar: %lu", &io[stream::kRead], &io[stream::kWritten]) == 2;
}

}  // namespace

bool moved_bytes(pid_t pid, uint64_t (&io)[2]) {
  return read_counts("/proc/" + std::to_string(pid) + "/io", io);
}

void hear_last_words(pid_t pid, stream::Process& p) {
  uint64_t io[2];
  if (!moved_bytes(pid, io)) return;
  for (int k : {stream::kRead, stream::kWritten}) p.last_words.io[k] = io[k];
  const std::string id = std::to_string(pid);
  p.last_words.first_known = read_counts("/proc/" + id + "/task/" + id + "/io", io);
  for (int k : {stream::kRead, stream::kWritten}) p.last_words.first_io[k] = io[k];
  p.last_words.pending = 0;
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("SigPnd:") || line.starts_with("ShdPnd:"))
      p.last_words.pending |= std::stoull(line.substr(7), nullptr, 16);
  p.last_words.known.store(1);
}

void miss_last_words(stream::Process& p) {
  p.last_words.first_known = 0;
  for (int k : {stream::kRead, stream::kWritten}) p.last_words.io[k] = 0;
  p.last_words.pending = 0;
  p.last_words.known.store(1);
}

}  // namespace mx::monitor
