// Mappings between two versions of a file, made in the background by mx-analyze and kept in its
// cache.
//
// The analysis runs in a child process of low priority, one at a time, and never delays anybody:
// whoever asks gets what is there now. Not thread-safe.
#pragma once
#include <sys/types.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "analyzer/mapping/mapping_file.h"

namespace mx::recovery {

class MappingService {
 public:
  /// `analyzer`: path of mx-analyze; "" : there is none, only the cache is used.
  explicit MappingService(std::string analyzer);
  /// Kills the analysis that still runs.
  ~MappingService();
  MappingService(const MappingService&) = delete;
  MappingService& operator=(const MappingService&) = delete;

  /// Queues the pair (files by path, opened later) unless it is known.
  void want(const std::string& old_path, const std::string& new_path);
  /// For owners that reap all their children: true if `pid` was the service's; starts the next
  /// analysis.
  bool child_ended(pid_t pid, int status);
  /// For the others: reaps and starts what is due. Does not block.
  void poll();
  /// A descriptor that becomes readable when poll() has something to do (a pidfd of the running
  /// analysis); -1: nothing runs.
  int descriptor() const { return pidfd_; }

  struct Answer {
    std::shared_ptr<const mapping::MappingFile> mapping;  ///< null: see `why`
    std::string why;  ///< "the analysis is not finished", "the analysis failed: …"
  };
  /// Somebody waits for an answer: the analysis that runs, and those to come, get the processor as
  /// others do.
  void hurry();
  /// What is known now; queues the pair when it is not.
  Answer get(const std::string& old_path, const std::string& new_path);

 private:
  using Pair = std::pair<std::string, std::string>;
  void start_next();
  void finished(int status);
  void close_files();
  std::string analyzer_;
  std::map<Pair, Answer> known_;
  std::deque<Pair> waiting_;
  Pair running_;
  pid_t child_ = 0;
  bool hurried_ = false;
  int pidfd_ = -1;
  int output_ = -1;   // takes the child's standard error
  int mapping_ = -1;  // takes the mapping, for the case that the cache cannot be written
};

}  // namespace mx::recovery
