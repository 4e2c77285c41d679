// Answers each line of its standard input with its number. Each kind of line runs one mechanism of
// recovery; compiled with BAD, each is the program's end.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace {

#ifdef BAD
constexpr bool kBad = true;
#else
constexpr bool kBad = false;
#endif

struct Counts {
  int lines, looks;
};
#if defined(SHARED)
Counts& counts = *static_cast<Counts*>(
    mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
#elif defined(SEGMENT)
int segment = -1;
Counts* attach() { return static_cast<Counts*>(shmat(segment, nullptr, 0)); }
Counts& in_segment() {
  segment = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600);
  Counts* at = attach();
  shmctl(segment, IPC_RMID, nullptr);  // it goes with the last who has it
  return *at;
}
Counts& counts = in_segment();
#elif defined(IN_FILE) || defined(IN_MEMFD)
int file = -1;
Counts& in_file() {
#ifdef IN_FILE
  file = open("counts", O_RDWR | O_CREAT | O_TRUNC, 0644);
#else
  file = memfd_create("counts", MFD_ALLOW_SEALING);
#endif
  if (ftruncate(file, 8192) != 0) _exit(8);
  return *static_cast<Counts*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
}
Counts& counts = in_file();
#else
Counts counts;
#endif
int& lines = counts.lines;
int& looks = counts.looks;  // of the parent's
volatile int zero;          // or the compiler would leave out what the bad version never reaches
int* const volatile nowhere = nullptr;

void answer(const char* text) {
  char out[128];
  lines++;
#if defined(IN_FILE) || defined(IN_MEMFD)  // what is written by one way is seen by the other
  const int before = lines;
  if (pwrite(file, &before, sizeof before, 4096) != sizeof before || (&lines)[1024] != before ||
      pread(file, &lines, sizeof lines, 0) != sizeof lines || lines != before)
    _exit(7);
#endif
#if defined(SEGMENT)
  if (strcmp(text, "again") == 0) {  // attached once more, it is the same memory
    Counts* again = attach();
    const int now = again->lines++;
    if (lines != now + 1 || --again->lines != lines) _exit(6);
    if (shmdt(again) != 0 || shmdt(again) == 0) _exit(6);
  }
#endif
  const int size = snprintf(out, sizeof out, "%d %s\n", lines, text);
  if (write(1, out, static_cast<size_t>(size)) != size) _exit(9);
}

bool next_line(char (&line)[64]) {
  const ssize_t n = read(0, line, sizeof line - 1);
  if (n <= 0) return false;
  line[n] = 0;
  line[strcspn(line, "\n")] = 0;
  return true;
}

[[gnu::noinline]] int null_pointer(const char* line) {
  if (kBad && !zero) return *nowhere;
  return static_cast<int>(strlen(line));
}

[[gnu::noinline]] int division(const char* line) {
  if (kBad && !zero) return static_cast<int>(strlen(line)) / zero;
  return 0;
}

[[gnu::noinline]] int assertion(const char* line) {
  if (kBad && !zero) {
    const char text[] = "mechanisms: an assertion failed\n";
    if (write(2, text, sizeof text - 1) < 0) _exit(9);
    abort();
  }
  return line[0];
}

[[gnu::noinline]] int wrong_exit(const char* line) {
  if (kBad && !zero) _exit(4);
  return line[0];
}

[[gnu::noinline]] int deep(int depth) {
  volatile char space[4096];
  space[depth % 4096] = static_cast<char>(depth);
  if (!(kBad && !zero) && depth > 10) return space[depth % 4096];
  return deep(depth + 1) + space[0];
}

[[gnu::noinline]] int checked(const char* line) {
  if (kBad && !zero) return *nowhere + line[0];
  throw std::runtime_error(line);
}

[[gnu::noinline]] int exception(const char* line) {
  try {
    return checked(line);
  } catch (const std::runtime_error& e) {
    return e.what()[0];
  }
}

// It is on the stack when the line comes that kills it.
[[gnu::noinline]] int conversation(const char* first) {
  answer(first);
  char line[64];
  if (!next_line(line)) _exit(9);
  if (kBad && !zero) return *nowhere + line[0];
  return line[0];
}

// It waits like that too, and its frame is another one in the bad version: other values, in other
// places. What it kept must be right when the good version's code goes on with it.
char heard[64];

[[gnu::noinline]] void hear() {
  if (!next_line(heard)) _exit(9);
}

[[gnu::noinline]] int remembers(const char* first) {
#ifdef BAD
  volatile long more = first[0], yet_more = more * 2;
#endif
  volatile int length = static_cast<int>(strlen(first));
  volatile short letter = first[1];
  volatile long product = length * 1000L + letter;
  answer(first);
  hear();
#ifdef BAD
  yet_more = heard[0];
  more = yet_more + product;
  if (!zero) return *nowhere + static_cast<int>(more);
#endif
  if (length != 5 || letter != 'r' || product != 5000L + 'r') _exit(7);
  return length + letter;
}

int called(const char* line) { return null_pointer(line) + 1; }
using Function = int (*)(const char*);
struct Kind {
  const char* name;
  Function run;
};
int overflow(const char* line) { return deep(line[0] & 1); }
Kind kinds[] = {{"null", null_pointer}, {"divide", division}, {"assert", assertion},
                {"exit", wrong_exit},   {"stack", overflow},  {"throw", exception},
                {"talk", conversation}, {"callback", called}, {"frame", remembers}};

#ifdef MAPS
// As a server does with each page (apache): the file is closed when a copy of this process comes
// here once more.
void look_at_page() {
  static const char name[] = "page", text[] = "as it was written";
  static bool there;
  if (!there) {
    const int made = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (write(made, text, sizeof text) != sizeof text || close(made)) _exit(9);
    there = true;
  }
  const int page = open(name, O_RDONLY);
  void* at = mmap(nullptr, sizeof text, PROT_READ, MAP_PRIVATE, page, 0);
  if (at == MAP_FAILED || close(page) || memcmp(at, text, sizeof text)) _exit(9);
  munmap(at, sizeof text);
}
#else
void look_at_page() {}
#endif

}  // namespace

int serve() {
  char line[64];
  answer("ready");
  while (next_line(line)) {
    look_at_page();
    for (const Kind& k : kinds)
      if (!strcmp(line, k.name)) k.run(line);
    answer(line);
  }
  return 5;
}

#ifdef WORKER
// The parent looks after its worker now and then, as that of a server does; it ends as its worker
// has ended.
int main() {
  const pid_t worker = fork();
  if (worker == 0) return serve();
  int status = 0;
  for (pid_t ended; (ended = waitpid(worker, &status, WNOHANG)) != worker;) {
    if (ended < 0) return 9;
    poll(nullptr, 0, 20);
    looks++;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}
#else
int main() { return serve(); }
#endif
