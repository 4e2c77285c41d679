#include "corpus_generator.h"

#include <random>
#include <vector>

namespace mx::analyzer::test {
namespace {

const char* kWords[] = {"alpha",  "queue",  "timer",  "socket", "packet", "header",
                        "worker", "cache",  "index",  "token",  "stream", "buffer",
                        "record", "parser", "signal", "thread"};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  Generated run(int functions) {
    text_ = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n";
    text_ += "struct state { int a, b; long c; char name[24]; double d; struct state* next; };\n";
    text_ +=
        "extern int printf(const char*, ...);\nint counters[64];\nstatic long totals[32];\nstruct "
        "state shared;\n";
    text_ += "static const int primes[16] = {2,3,5,7,11,13,17,19,23,29,31,37,41,43,47,53};\n";
    for (int k = 0; k < functions; ++k) function(k);
    text_ += "int (*handlers[])(int, int, struct state*) = {";
    for (int k = 0; k < functions; k += 7)
      if (everywhere(k)) text_ += name(k) + ", ";
    text_ += "0};\nint main(int argc, char** argv) {\n  int r = argc;\n";
    for (int k = 0; k < functions; ++k) {
      if (out_.added.count(name(k))) text_ += "#ifdef NEW_VERSION\n";
      if (out_.removed.count(name(k))) text_ += "#ifndef NEW_VERSION\n";
      text_ += "  r += " + name(k) + "(r, " + number(9) + ", &shared);\n";
      if (!everywhere(k)) text_ += "#endif\n";
    }
    text_ += "  return r == 0 && argv[0] != 0 && handlers[0] == 0;\n}\n";
    out_.source = std::move(text_);
    return std::move(out_);
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string number(int n) { return std::to_string(below(n) + 1); }
  std::string name(int k) const { return "work_" + std::to_string(k); }
  std::string word() { return kWords[below(16)]; }
  bool everywhere(int k) const {
    return !out_.added.count(name(k)) && !out_.removed.count(name(k));
  }

  std::string callee(int k) {
    for (int tries = 0; tries < 8 && k > 0; ++tries) {
      int c = below(k);
      if (everywhere(c)) return name(c);
    }
    return "";
  }
  void statement(int k);
  void function(int k);

  std::mt19937 random_;
  std::string text_;
  Generated out_;
};

void Generator::statement(int k) {
  std::string called = callee(k);
  switch (below(9)) {
    case 0:
      text_ += "  for (int i = 0; i < y + " + number(9) + "; i++) x += (i ^ " + number(900) +
               ") * primes[i & 15];\n";
      break;
    case 1:
      text_ +=
          "  printf(\"" + word() + " " + word() + " %d in " + std::to_string(k) + "\\n\", x);\n";
      break;
    case 2:
      if (!called.empty()) text_ += "  x += " + called + "(x, y - " + number(5) + ", s);\n";
      break;
    case 3:
      text_ += "  counters[" + std::to_string(below(64)) +
               "] += x;\n  totals[(unsigned)y % 32] -= " + number(1000) + ";\n";
      break;
    case 4: {
      text_ += "  switch (x & 15) {\n";
      int cases = 5 + below(9);
      for (int c = 0; c < cases; ++c) {
        text_ += "    case " + std::to_string(c) + ": ";
        if (below(3) == 0)
          text_ += "puts(\"" + word() + "-" + std::to_string(below(9999)) + "\");";
        else
          text_ += "s->a ^= " + number(5000) + "; y += " + number(70) + ";";
        text_ += " break;\n";
      }
      text_ += "    default: y--;\n  }\n";
      break;
    }
    case 5:
      text_ += "  if (s->b > " + number(100) +
               ") {\n    s->c += y;\n    snprintf(s->name, sizeof s->name, \"" + word() +
               "%d\", x);\n  }\n";
      break;
    case 6:
      text_ += "  s->d = s->d * " + number(50) + ".5 + x;\n  if (s->d > " + number(10000) +
               ") s->d = 0;\n";
      break;
    case 7: {
      std::string local = "once_" + std::to_string(below(100000));
      text_ += "  { static int " + local + "; if (" + local + "++ > " + number(40) +
               ") y = " + local + "; }\n";
      break;
    }
    default:
      text_ += "  { char t[" + std::to_string(16 * (1 + below(12))) +
               "]; memset(t, x, sizeof t); y += t[y & 15]; if (y == " + number(999) +
               ") puts(t); }\n";
  }
}

void Generator::function(int k) {
  int fate = k < 4 ? 99 : below(100);
  if (fate < 3)
    out_.added.insert(name(k)), text_ += "#ifdef NEW_VERSION\n";
  else if (fate < 6)
    out_.removed.insert(name(k)), text_ += "#ifndef NEW_VERSION\n";
  bool edited = fate >= 6 && fate < 14;
  bool is_static = k % 7 != 0 && below(2);
  text_ += std::string(is_static ? "static " : "") + "__attribute__((noinline)) int " + name(k) +
           "(int x, int y, struct state* s) {\n";
  int statements = 2 + below(9), where = below(statements);
  for (int n = 0; n < statements; ++n) {
    if (edited && n == where) {
      out_.edited.insert(name(k));
      text_ += "#ifdef NEW_VERSION\n  if (s->next && x > " + number(5000) + ") { puts(\"" + word() +
               " fixed\"); x = " + number(99) + "; }\n#else\n  x ^= " + number(3000) +
               ";\n#endif\n";
    }
    statement(k);
  }
  text_ += "  return x + y * " + number(31) + ";\n}\n";
  if (fate < 6) text_ += "#endif\n";
}

}  // namespace

Generated generate_program(unsigned seed, int functions) { return Generator(seed).run(functions); }

}  // namespace mx::analyzer::test
