// Finds followers that hang: one that takes nothing from a lane in which events wait, that does
// nothing at all while the leader waits for its verdict, or that crawls (crawl.h). (A leader that
// hangs is judged by its follower, see agent/failover.)
#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "shim/monitor/crawl.h"
#include "shim/monitor/stillness.h"
#include "shim/stream/arena.h"

namespace mx::monitor {

class FollowerWatch {
 public:
  /// Seconds without progress that count as a hang; 0: never.
  explicit FollowerWatch(double limit) : limit_(limit), crawl_(limit > 4 ? limit / 4 : 1) {}

  /// How often look() wants to be called, in milliseconds; -1: never.
  int interval_ms() const;
  struct Hung {
    uint32_t process;  ///< index
    /// It has had its time. Else the leader waits for it, and all its threads sleep: one that could
    /// come back may try again, any other has time yet.
    bool for_sure;
    /// It has come back a short while ago, and does the same: it need not try once more.
    bool again = false;
    bool crawls = false;  ///< it takes some, but holds its leader up
  };
  /// The processes whose follower hangs at this time (seconds of a steady clock).
  std::vector<Hung> look(stream::Control& control, double now);

 private:
  struct Progress {
    uint64_t head, tail, turn;
    double moved;  // when the follower last took something, had taken everything, or was not born
    double published;  // when the leader last added something
    double pause;      // how long it had worked on that: the follower may need as long
  };
  bool keeps_waiting(const stream::Lane& lane, const stream::Process& p, double now);
  std::vector<Hung> all_asleep(stream::Control& control, double now);
  std::vector<Hung> crawling(stream::Control& control, double now);
  bool hangs(Progress& p, uint64_t head, uint64_t tail, uint64_t turn, double now) const;

  double limit_, looked_ = 0;
  Stillness stillness_;
  Crawl crawl_;
  std::map<uint32_t, Progress> lanes_;
};

}  // namespace mx::monitor
