#include "oci/start/child_lookups.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace mx::start {
namespace {

int can_execute(const char* path) {
  struct stat info {};
  if (stat(path, &info) != 0) return errno == EACCES ? EACCES : ENOENT;
  if (S_ISDIR(info.st_mode)) return EACCES;
  // Effective ids decide at execve; access(2) would take the real ones. A profile that does not
  // know faccessat2 answers with its own error: then execve has the word.
  return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 || errno != EACCES ? 0 : EACCES;
}

// The n-th colon separated field of a line, or null. Ends the field in place.
char* field(char* line, int n) {
  for (; n > 0; --n) {
    line = strchr(line, ':');
    if (line == nullptr) return nullptr;
    ++line;
  }
  char* end = strchr(line, ':');
  if (end != nullptr) *end = '\0';
  return line;
}

bool home_of_line(char* line, uid_t uid, char (&variable)[kMaxPath]) {
  char copy[1024];
  snprintf(copy, sizeof copy, "%s", line);
  const char* number = field(copy, 2);
  if (number == nullptr || *number == '\0') return false;
  char* end = nullptr;
  if (strtoul(number, &end, 10) != uid || *end != '\0') return false;
  const char* home = field(line, 5);
  if (home == nullptr || *home == '\0') return false;
  snprintf(variable, sizeof variable, "HOME=%s", home);
  return true;
}

}  // namespace

int find_program(const char* name, const char* path, char (&found)[kMaxPath]) {
  if (strchr(name, '/') != nullptr) {
    if (strlen(name) >= sizeof found) return ENAMETOOLONG;
    snprintf(found, sizeof found, "%s", name);
    return can_execute(found);
  }
  int result = ENOENT;
  for (const char* at = path; *name != '\0';) {
    const size_t length = strcspn(at, ":");
    if (length + strlen(name) + 2 < sizeof found) {
      snprintf(found, sizeof found, "%.*s/%s", length == 0 ? 1 : static_cast<int>(length),
               length == 0 ? "." : at, name);
      const int error = can_execute(found);
      if (error == 0) return 0;
      if (error == EACCES) result = EACCES;
    }
    if (at[length] == '\0') break;
    at += length + 1;
  }
  return result;
}

void find_home(uid_t uid, char (&variable)[kMaxPath]) {
  snprintf(variable, sizeof variable, "HOME=/");
  const int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char buffer[4096];
  size_t held = 0;
  for (bool found = false; !found;) {
    const ssize_t got = read(fd, buffer + held, sizeof buffer - 1 - held);
    if (got <= 0 && held == 0) break;
    held += got > 0 ? static_cast<size_t>(got) : 0;
    buffer[held] = '\0';
    char* start = buffer;
    for (char* end; !found && (end = strchr(start, '\n')) != nullptr; start = end + 1) {
      *end = '\0';
      found = home_of_line(start, uid, variable);
    }
    if (got <= 0) {  // the last line may lack its newline
      if (!found) home_of_line(start, uid, variable);
      break;
    }
    held = static_cast<size_t>(buffer + held - start);
    if (held >= sizeof buffer - 1) held = 0;  // a line longer than the buffer holds no user
    memmove(buffer, start, held);
  }
  close(fd);
}

}  // namespace mx::start
