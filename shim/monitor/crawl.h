// Followers that hold their leader up and do little meanwhile: it waits for room in the stream most
// of the time, so that they have much to read, and most of that time their threads sleep. They wait
// for each other, each until it has had its time (agent/order.cpp), because what they read without
// a lock has led them to other locks than the leader's. The program would go on at their pace for
// ever. (One that is busy, or waits for a processor, is slow, and is waited for; so is one that may
// wait for such a one.)
#pragma once
#include <cstdint>
#include <map>

#include "shim/stream/arena.h"

namespace mx::monitor {

class Crawl {
 public:
  /// Seconds over which a follower is judged.
  explicit Crawl(double window) : window_(window) {}

  /// What is known of a process pair at one time.
  struct Sample {
    double waited;  ///< seconds that the leader's thread which waits most has waited for room, ever
    /// seconds that the follower's threads have used a processor, or waited for one, ever
    double busy;
    bool runs;  ///< none of them is stopped, or waits for a disk
  };
  /// Whether it has crawled for a window. Ask now and then.
  bool crawls(uint32_t process, const Sample& sample, double now);
  /// It has done so a short while ago, too: it would do it again.
  bool has_crawled(uint32_t process, double now) const;
  /// The process is no pair now.
  void forget(uint32_t process) { seen_.erase(process); }

 private:
  struct Seen {
    Sample first;
    double since;
    bool always_ran;
  };
  double window_;
  std::map<uint32_t, Seen> seen_;
  std::map<uint32_t, double> crawled_;
};

/// Adds a follower's process to the sample.
void add_process(pid_t pid, Crawl::Sample& sample);

}  // namespace mx::monitor
