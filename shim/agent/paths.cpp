#include "shim/agent/paths.h"

#include "shim/agent/kernel.h"
#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr int kCwd = -100, kMostLinks = 40;

struct Component {
  const char* text;
  size_t size;
  bool is(const char* other) const {
    return string_length(other, 3) == size && memcmp(text, other, size) == 0;
  }
};

// Takes the next component off `rest`; size 0: there is none.
Component next_component(const char*& rest) {
  while (*rest == '/') rest++;
  Component c{rest, 0};
  while (rest[c.size] && rest[c.size] != '/') c.size++;
  rest += c.size;
  return c;
}

bool append(Path& to, size_t& n, const Component& c) {
  if (n + c.size + 2 > sizeof to.text) return false;
  to.text[n++] = '/';
  memcpy(to.text + n, c.text, c.size);
  n += c.size;
  to.text[n] = 0;
  return true;
}

void drop_last(Path& to, size_t& n) {
  while (n && to.text[n - 1] != '/') n--;
  if (n) n--;
  to.text[n] = 0;
}

bool joined(const char* first, size_t size, const char* second, Path& to) {
  size_t more = string_length(second, sizeof to.text);
  if (size + more + 2 > sizeof to.text) return false;
  memmove(to.text + size + 1, second, more + 1);  // `second` may lie in `to`
  memmove(to.text, first, size);
  to.text[size] = '/';
  return true;
}

// The folder that a relative name starts from; -1: it cannot be told, or lies outside the root.
long starting_folder(int dirfd, Path& to) {
  long n;
  if (dirfd == kCwd) {
    n = sys(__NR_getcwd, to.text, sizeof to.text) - 1;
  } else {
    n = path_of_descriptor(dirfd, to.text, sizeof to.text);
  }
  return n > 0 && to.text[0] == '/' ? n : -1;
}

// The name from the root on, as it was written.
bool whole_name(int dirfd, const char* text, Path& to) {
  if (text[0] == '/') {
    size_t n = string_length(text, sizeof to.text);
    if (n + 1 > sizeof to.text) return false;
    memcpy(to.text, text, n);
    to.text[n] = 0;
    return true;
  }
  Path folder;
  long n = starting_folder(dirfd, folder);
  return n > 0 && joined(folder.text, n, text, to);
}

}  // namespace

long path_of_descriptor(int fd, char* to, size_t size) {
  char link[32] = "/proc/self/fd/";
  append_number(link, 14, static_cast<uint64_t>(fd));
  const long n = sys(__NR_readlink, link, to, size - 1);
  if (n >= 0) to[n] = 0;
  return n;
}

bool normalise(const char* from, Path& to) {
  if (from[0] != '/') return false;
  size_t n = 0;
  to.text[0] = 0;
  for (Component c = next_component(from); c.size; c = next_component(from)) {
    if (c.is(".")) continue;
    if (c.is(".."))
      drop_last(to, n);
    else if (!append(to, n, c))
      return false;
  }
  if (!n) to.text[n++] = '/';
  to.text[n] = 0;
  return true;
}

bool parent_of(Path& path) {
  size_t n = string_length(path.text, sizeof path.text);
  if (n <= 1) return false;
  drop_last(path, n);
  if (!n) copy_string(path.text, "/", sizeof path.text);
  return true;
}

bool absolute_path(int dirfd, const char* text, Path& to) {
  Path whole;
  return whole_name(dirfd, text, whole) && normalise(whole.text, to);
}

bool real_path(int dirfd, const char* text, bool nofollow, Path& to) {
  Path whole, target;
  if (!whole_name(dirfd, text, whole)) return false;
  const char* rest = whole.text;
  size_t n = 0;
  int links = 0;
  bool there = true;  // nothing stands below a name that is not there
  to.text[0] = 0;
  for (Component c = next_component(rest); c.size; c = next_component(rest)) {
    if (c.is(".")) continue;
    if (c.is("..")) {
      drop_last(to, n);
      continue;
    }
    if (!append(to, n, c)) return false;
    const char* behind = rest;
    bool last = next_component(behind).size == 0;
    if (!there || (last && nofollow)) continue;
    long size = sys(__NR_readlink, to.text, target.text, sizeof target.text - 1);
    if (size == kEnoent) there = false;
    if (size <= 0) continue;
    if (++links > kMostLinks) return false;
    if (target.text[0] == '/')
      n = 0;
    else
      drop_last(to, n);
    to.text[n] = 0;
    Path more;
    copy_string(more.text, rest, sizeof more.text);
    if (!joined(target.text, size, more.text, whole)) return false;
    rest = whole.text;
  }
  if (!n) copy_string(to.text, "/", sizeof to.text);
  return true;
}

}  // namespace mx::agent
