#include "analyzer/cli/analyze_main.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <exception>

#include "analyzer/explain/crash_report.h"
#include "analyzer/explain/explain.h"
#include "analyzer/mapping/cache.h"
#include "analyzer/mapping/writer.h"
#include "analyzer/output/output.h"

namespace mx::analyzer {
namespace {

struct Arguments {
  Options options;
  std::string format = "text", function, colour = "auto";
  std::string explain_old, explain_new;  // addresses
  std::vector<std::string> explain;      // of a crash
  std::string version = "new";
  bool whole = false;
  CrashQuestion crash;
};

TextStyle style_for(const std::string& colour) {
  TextStyle style;
  bool tty = isatty(STDOUT_FILENO);
  style.colour = colour == "always" || (colour == "auto" && tty && !getenv("NO_COLOR"));
  winsize size{};
  if (tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 80)
    style.width = size.ws_col;
  return style;
}

int fail(const Error& e) {
  std::fprintf(stderr, "mx analyze: %s\n", e.sentence.c_str());
  return 2;
}

int print(const std::string& text) {
  bool good =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return good ? 0 : fail(Error{"cannot write the output"});
}

Result<uint64_t> hexadecimal(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  uint64_t value = std::strtoull(text.c_str(), &end, 16);
  bool good = std::isxdigit(static_cast<unsigned char>(text[0])) && *end == 0 && errno == 0;
  if (!good) return Error{"`" + text + "` is not a hexadecimal address"};
  return value;
}

// JSON for a crash report; needs no comparison to have been made before.
int explain_crash(const Arguments& args) {
  CrashQuestion question = args.crash;
  question.version = args.version == "old" ? Version::old_version : Version::new_version;
  for (const std::string& text : args.explain) {
    auto address = hexadecimal(text);
    if (!address) return fail(address.error());
    question.addresses.push_back(address.value());
  }
  if (question.module.empty()) return fail(Error{"--explain needs --module FILE"});
  auto report = crash_report(question);
  return report ? print(report.value()) : fail(report.error());
}

int explain_address(const Arguments& args) {
  bool old_side = !args.explain_old.empty();
  auto address = hexadecimal(old_side ? args.explain_old : args.explain_new);
  if (!address) return fail(address.error());
  auto mapping = mapping::mapping_for(args.options);
  if (!mapping) return fail(mapping.error());
  Version version = old_side ? Version::old_version : Version::new_version;
  Explanation e =
      explain(*mapping.value().file, version,
              old_side ? args.options.old_path : args.options.new_path, address.value());
  return print(e.sentence + (e.transplant.empty() ? "" : " No transplant: " + e.transplant + ".") +
               "\n");
}

// Writes the mapping itself to standard output, from the cache when it is there.
int print_mapping(const Arguments& args) {
  auto mapping = mapping::mapping_for(args.options);
  if (!mapping) return fail(mapping.error());
  auto bytes = mapping.value().file->bytes();
  return print(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

int run(const Arguments& args) {
  if (!args.explain.empty()) return explain_crash(args);
  if (!args.explain_old.empty() || !args.explain_new.empty()) return explain_address(args);
  if (args.format == "mapping") return print_mapping(args);
  bool progress = isatty(STDERR_FILENO);
  if (progress) std::fprintf(stderr, "analysing …\r");
  auto analysis = analyze(args.options);
  if (progress) std::fprintf(stderr, "           \r");
  if (!analysis) return fail(analysis.error());
  const Analysis& a = *analysis.value();
  if (!args.function.empty()) {
    TextStyle style = style_for(args.colour);
    style.whole_functions = args.whole;
    auto text = function_to_text(a, args.function, style);
    return text ? print(text.value()) : fail(text.error());
  }
  if (args.format == "json") return print(to_json(a));
  if (args.format == "dot") return print(to_dot(a));
  if (args.format == "html") return print(to_html(a));
  return print(to_text(a, style_for(args.colour)));
}

}  // namespace

int analyze_main(int argc, char** argv) {
  CLI::App app{
      "Compare two versions of a program: what changed, and how to get from one to the other.",
      "mx analyze"};
  Arguments args;
  auto* old_file = app.add_option("OLD", args.options.old_path, "the old program or library");
  auto* new_file = app.add_option("NEW", args.options.new_path, "the new program or library");
  app.add_option("--format", args.format, "text, json, dot, html or mapping (binary)")
      ->check(CLI::IsMember({"text", "json", "dot", "html", "mapping"}));
  auto* function = app.add_option("--function", args.function, "show this function side by side");
  app.add_flag("--whole", args.whole, "with --function: also what is equal in both versions")
      ->needs(function);
  app.add_option("--explain-old", args.explain_old, "explain this address (hexadecimal) of OLD");
  app.add_option("--explain-new", args.explain_new, "explain this address (hexadecimal) of NEW");
  app.add_option("--debug-old", args.options.old_debug, "separate debug file of OLD");
  app.add_option("--debug-new", args.options.new_debug, "separate debug file of NEW");
  app.add_option("--colour,--color", args.colour, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  auto* explain = app.add_option("--explain", args.explain,
                                 "for a crash report, as JSON: hexadecimal addresses, innermost "
                                 "first, comma-separated; with --module instead of OLD NEW");
  explain->delimiter(',');
  app.add_option("--module", args.crash.module, "the file that the addresses lie in")
      ->needs(explain);
  app.add_option("--other", args.crash.other, "the same file of the other version")->needs(explain);
  app.add_option("--version-is", args.version, "which version --module is: old or new (default)")
      ->check(CLI::IsMember({"old", "new"}));
  app.add_flag("--file-offsets", args.crash.file_offsets,
               "addresses count from the start of the file, as in /proc/PID/maps");
  app.add_flag("--return-addresses", args.crash.return_addresses,
               "the first address is a return address too");
  app.add_option("--listing", args.crash.listing, "instructions around the first address");
  try {
    app.parse(argc, argv);
    if (args.explain.empty() && (!*old_file || !*new_file))
      throw CLI::RequiredError(*old_file ? "NEW" : "OLD");
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    return fail(Error{std::string(e.what()) + " (see mx analyze --help)"});
  }
  try {
    return run(args);
  } catch (const std::exception& e) {
    return fail(Error{std::string("out of resources: ") + e.what()});
  }
}

}  // namespace mx::analyzer
