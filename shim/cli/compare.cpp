// mx compare: two versions, each run alone, and what the outside sees of them side by side.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <sstream>

#include "shim/cli/outside.h"
#include "shim/cli/program_arguments.h"
#include "shim/cli/program_check.h"
#include "shim/cli/verbs.h"
#include "shim/monitor/error.h"
#include "shim/monitor/options.h"
#include "shim/monitor/report.h"

namespace mx::cli {

namespace {

constexpr size_t kContext = 2, kMostLines = 60;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(monitor::printable(line.data(), line.size()));
  if (!text.empty() && text.back() != '\n') lines.back() += "  (no newline at the end)";
  return lines;
}

// Shows where two lists part: what stands before, and both sides up to where they meet again.
// Returns true if they are equal.
bool compare_lists(const char* title, const std::vector<std::string>& a,
                   const std::vector<std::string>& b) {
  if (a == b) {
    printf("%-13s same (%zu lines)\n", title, a.size());
    return true;
  }
  size_t first = 0, tail = 0;
  while (first < a.size() && first < b.size() && a[first] == b[first]) first++;
  while (tail < a.size() - first && tail < b.size() - first &&
         a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    tail++;
  printf("%-13s differ from line %zu on (old %zu lines, new %zu)\n", title, first + 1, a.size(),
         b.size());
  for (size_t i = first > kContext ? first - kContext : 0; i < first; i++)
    printf("    %s\n", a[i].c_str());
  for (const auto& [sign, list] : {std::pair{'-', &a}, std::pair{'+', &b}}) {
    const size_t end = list->size() - tail;
    for (size_t i = first; i < end && i < first + kMostLines; i++)
      printf("  %c %s\n", sign, (*list)[i].c_str());
    if (end > first + kMostLines) printf("  %c … %zu more\n", sign, end - first - kMostLines);
  }
  for (size_t i = a.size() - tail; i < a.size() && i < a.size() - tail + kContext; i++)
    printf("    %s\n", a[i].c_str());
  return false;
}

bool show(const Outside& a, const Outside& b) {
  bool same = compare_lists("output", lines_of(a.out), lines_of(b.out));
  same &= compare_lists("errors", lines_of(a.err), lines_of(b.err));
  same &= compare_lists("system calls", a.calls, b.calls);
  printf("%-13s %s (old %d, new %d)\n", "exit status", a.status == b.status ? "same" : "differs",
         a.status, b.status);
  if (a.cut || b.cut)
    puts("note: more was written than is compared (16 MiB of output, 100000 system calls)");
  return same && a.status == b.status && a.out == b.out && a.err == b.err;
}

}  // namespace

int compare(int argc, char** argv) {
  monitor::Options o;
  o.args = take_program_arguments(argc, argv, {});
  CLI::App app{
      "Runs two versions of a program one after the other, each alone, and compares what the "
      "outside sees.",
      "mx compare"};
  app.footer(
      "Compared: standard output and error, exit status, and the system calls that change files or "
      "speak to others.\n"
      "Both run in the current folder with empty standard input: give each the same files to start "
      "from.\n"
      "Exit status: 0 same, 1 differs, 125 mx failed.");
  app.add_option("--old", o.program[0], "the old version's program")
      ->required()
      ->type_name("PROGRAM");
  app.add_option("--new", o.program[1], "the new version's program")
      ->required()
      ->type_name("PROGRAM");
  app.add_option("--old-root", o.root[0], "root tree of the old version (default: /)")
      ->type_name("DIR");
  app.add_option("--new-root", o.root[1], "root tree of the new version (default: /)")
      ->type_name("DIR");
  try {
    app.parse(argc, argv);
    check_options(o);
    Outside seen[2];
    for (int v = 0; v < 2; v++) {
      std::vector<std::string> args{o.argv0};
      args.insert(args.end(), o.args.begin(), o.args.end());
      seen[v] = run_alone(o.program[v], o.root[v], args);
      // The one call whose argument must differ: the start of the program itself.
      if (!seen[v].calls.empty() && seen[v].calls[0].starts_with("execve("))
        seen[v].calls.erase(seen[v].calls.begin());
    }
    return show(seen[0], seen[1]) ? 0 : 1;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 125;
  } catch (const monitor::Error& e) {
    fprintf(stderr, "mx: %s\n", e.what());
    return e.status;
  }
}

}  // namespace mx::cli
