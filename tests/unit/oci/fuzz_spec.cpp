// Hostile config.json: whatever the bytes, reading ends with a request, none, or a Failure.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "oci/base/failure.hpp"
#include "oci/rewrite/rewrite.hpp"
#include "oci/rewrite/seccomp.hpp"

namespace {

using namespace mx::oci;

void one(const std::string& text) {
  try {
    if (!may_ask(text)) return;
    const Json config = parse_document(text, "config.json");
    const Config defaults;
    (void)is_optional(config);
    const auto request = read_request(config, defaults);
    if (!request) return;
    ContainerState state;
    state.id = "f";
    state.folder = "/nonexistent";
    state.bundle = "/nonexistent";
    state.own_folder = own_folder(config);
    state.first = request->first();
    state.second = request->second;
    const Rewritten rewritten = rewrite(
        config, RewriteInput{defaults, *request, state, std::nullopt, std::nullopt, true, 0});
    (void)dump_document(rewritten.config);
  } catch (const Failure&) {
  }
}

constexpr char kSeed[] =
    R"({"ociVersion":"1.0.2","annotations":{"run.mx.new":"volume:/img","run.mx.leader":"new"},)"
    R"("process":{"user":{"uid":1,"gid":2,"additionalGids":[3],"umask":18},"args":["/bin/sh","-c","x"],)"
    R"("env":["PATH=/bin","MX_LOCKSTEP=full"],"cwd":"/","capabilities":{"bounding":["CAP_CHOWN"],"effective":[]},)"
    R"("rlimits":[{"type":"RLIMIT_NOFILE","soft":1,"hard":2}],"noNewPrivileges":true,"oomScoreAdj":5},)"
    R"("root":{"path":"rootfs","readonly":true},"mounts":[{"destination":"/dev","type":"tmpfs"},)"
    R"({"destination":"/img","type":"bind","source":"/x","options":["ro"]}],)"
    R"("hooks":{"poststop":[{"path":"/x"}]},"linux":{"maskedPaths":["/proc/acpi"],)"
    R"("uidMappings":[{"containerID":0,"hostID":1000,"size":1}],"seccomp":{"defaultAction":"SCMP_ACT_ERRNO",)"
    R"("architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read","chroot"],"action":"SCMP_ACT_ALLOW",)"
    R"("args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}}})";

std::string mutated(std::mt19937& random) {
  static const char* const kPieces[] = {
      "null", "{}", "[]",          "-1", "1e999", "18446744073709551616", "\"\"", "\"..\"", "true",
      "[[[[", "}}", "\"\\u0000\"", ",",  ":"};
  std::string text = kSeed;
  for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
    const size_t at = random() % text.size();
    switch (random() % 4) {
      case 0:
        text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, random() % 20);
        break;
      case 2:
        text.insert(at, kPieces[random() % std::size(kPieces)]);
        break;
      default: {  // replace a whole value
        const size_t colon = text.find(':', at);
        const size_t end = colon == text.npos ? colon : text.find_first_of(",}]", colon);
        if (end != text.npos) text.replace(colon + 1, end - colon - 1, kPieces[random() % 9]);
      }
    }
    if (text.empty()) return "{";
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  one(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}

#ifndef MX_LIBFUZZER
int main(int argc, char** argv) {
  one(kSeed);
  const int rounds = argc > 1 ? atoi(argv[1]) : 20000;
  for (int seed = 0; seed < rounds; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    const std::string text = mutated(random);
    try {
      one(text);
    } catch (const std::exception& error) {
      fprintf(stderr, "seed %d: %s\n%s\n", seed, error.what(), text.c_str());
      return 1;
    }
  }
  printf("%d mutations\n", rounds);
  return 0;
}
#endif
