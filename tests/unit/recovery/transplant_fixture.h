// Two versions of a small program, analysed, and a transplanter between them.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>

#include "../analyzer/builder.h"
#include "program_under_test.h"

namespace mx::recovery::test {

using analyzer::test::run;
using analyzer::test::TempFolder;

inline const std::string kPrograms = MX_PROGRAMS;

struct Build {
  std::string compiler, flags;
  bool library = false;  // the changed code is in a shared library
};

inline std::ostream& operator<<(std::ostream& out, const Build& b) {
  return out << b.compiler << " " << b.flags << (b.library ? " library" : "");
}

/// Builds `source` as old and new version.
struct Versions {
  std::string folder, old_path, new_path;
  Versions(const TempFolder& in, const std::string& source, const Build& b,
           const std::string& new_flags = "-DNEW_VERSION")
      : folder(in.path()) {
    bool cxx = source.find(".cpp") != std::string::npos;
    std::string c = b.compiler == "clang" ? "clang" : "gcc",
                linker = cxx ? (c == "gcc" ? "g++" : "clang++") : c;
    for (bool fresh : {false, true}) {
      std::string to = in / (fresh ? "new" : "old");
      std::string defines = fresh ? new_flags : "";
      std::string common = " -g -w " + b.flags + " -I" + kPrograms + " ";
      run("mkdir -p " + to);
      run(c + common + "-c " + kPrograms + "/serve.c -o " + to + "/serve.o" +
          (b.library ? "" : ""));
      if (b.library) {
        run(linker + common + "-shared -fPIC " + defines + " " + kPrograms + "/" + source + " -o " +
            to + "/libwork.so.1");
        run(linker + " " + b.flags + " -rdynamic " + to + "/serve.o " + to +
            "/libwork.so.1 -Wl,-rpath," + to + " -o " + to + "/program");
      } else {
        run(linker + common + defines + " -c " + kPrograms + "/" + source + " -o " + to +
            "/work.o");
        run(linker + " " + b.flags + " " + to + "/serve.o " + to + "/work.o -o " + to + "/program");
      }
    }
    old_path = in / "old/program", new_path = in / "new/program";
  }
};

class Transplant : public ::testing::Test {
 protected:
  Transplant() : cache_(folder_ / "cache") { setenv("XDG_CACHE_HOME", cache_.c_str(), 1); }

  /// Fills the cache at normal priority (the service's child waits long on a busy machine), then
  /// asks for what is needed.
  void analyse(const Versions& v, ProgramUnderTest& o, ProgramUnderTest& n) {
    for (const char* file : {"/program", "/libwork.so.1"})
      if (access((v.folder + "/old" + file).c_str(), R_OK) == 0)
        run(std::string(MX_ANALYZE) + " " + v.folder + "/old" + file + " " + v.folder + "/new" +
            file + " --format mapping > /dev/null");
    analyse(o, n);
  }
  /// Waits until the analyses that prepare() asked for are there.
  void analyse(ProgramUnderTest& o, ProgramUnderTest& n) {
    transplanter_.prepare(o.pid(), n.pid());
    while (service_.descriptor() >= 0) {
      pollfd p{service_.descriptor(), POLLIN, 0};
      ASSERT_EQ(::poll(&p, 1, 60000), 1) << "the analysis does not end";
      service_.poll();
    }
  }
  Outcome apply(ProgramUnderTest& p, Side side, ProgramUnderTest& survivor,
                std::vector<uint64_t> crash = {}) {
    return p.stopped([&](Target& target, std::vector<ThreadState>& threads) {
      return transplanter_.apply({target, side, survivor.pid(), threads, crash});
    });
  }
  Outcome revert(ProgramUnderTest& p, Side side, ProgramUnderTest& survivor) {
    return p.stopped([&](Target& target, std::vector<ThreadState>& threads) {
      return transplanter_.revert({target, side, survivor.pid(), threads});
    });
  }

  TempFolder folder_;
  std::string cache_;
  MappingService service_{MX_ANALYZE};
  Transplanter transplanter_{service_};
};

inline std::string left(const Outcome& o) {
  std::string text = to_string(o.reason) + std::string(": ") + o.sentence;
  for (const std::string& f : o.left) text += "\n  left " + f;
  return text;
}

}  // namespace mx::recovery::test
