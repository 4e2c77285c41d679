#include "shim/monitor/crawl.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "shim/monitor/proc_stat.h"

namespace mx::monitor {
namespace {

// Within two windows, when the leader waits and followers are busy for these parts of the time.
bool crawls(Crawl& crawl, double waits, double busy, double from = 0, bool runs = true) {
  bool found = false;
  for (double now = from; now <= from + 5; now += 0.5)
    found |= crawl.crawls(3, {waits * now, busy * now, runs}, now);
  return found;
}

TEST(CrawlTest, OneThatSleepsWhileItsLeaderWaits) {
  Crawl crawl(2.5);
  EXPECT_TRUE(crawls(crawl, 0.9, 0.2));
  EXPECT_TRUE(crawl.has_crawled(3, 10));
  EXPECT_FALSE(crawl.has_crawled(3, 100));
  EXPECT_FALSE(crawl.has_crawled(4, 10));
}

TEST(CrawlTest, OneThatIsBusyIsSlow) {
  Crawl crawl(2.5);
  EXPECT_FALSE(crawls(crawl, 0.95, 0.6));
}

TEST(CrawlTest, OneWhoseLeaderSeldomWaitsMaySleep) {
  Crawl crawl(2.5);
  EXPECT_FALSE(crawls(crawl, 0.5, 0.01));
}

TEST(CrawlTest, OneThatWaitsForADiskIsNotJudged) {
  Crawl crawl(2.5);
  EXPECT_FALSE(crawls(crawl, 0.9, 0.2, 0, false));
}

TEST(CrawlTest, NotForLessThanAWindow) {
  Crawl crawl(10);
  EXPECT_FALSE(crawls(crawl, 0.9, 0.2));
  crawl.forget(3);  // it was alone for a while
  EXPECT_FALSE(crawls(crawl, 0.9, 0.2, 8));
}

TEST(CrawlTest, AProcessThatIsStoppedDoesNotRun) {
  const pid_t child = fork();
  if (child == 0)
    for (;;) pause();
  Crawl::Sample sample{0, 0, true};
  add_process(child, sample);
  EXPECT_TRUE(sample.runs);
  kill(child, SIGSTOP);
  int status;
  waitpid(child, &status, WUNTRACED);
  add_process(child, sample);
  EXPECT_FALSE(sample.runs);
  EXPECT_GT(sample.busy, 0);
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
}

}  // namespace
}  // namespace mx::monitor
