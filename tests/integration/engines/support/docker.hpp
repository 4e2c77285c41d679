// dockerd of Debian (20.10) with its own data folder and socket, one for all tests of a suite until
// one fails. $DOCKER is the client, app:old and app:new are images of the workshop's two root
// trees, app:new is in mx's store too.
#pragma once

#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {

class Docker : public Workshop {
 protected:
  void SetUp() override;
  void TearDown() override;
  static void TearDownTestSuite();
  // Called before the trees become images.
  virtual void add_programs() {}
  // More words for dockerd's command line.
  virtual std::string daemon_options() { return ""; }

  // Starts the daemon, and makes the images.
  void start();

  // Images redis:old and redis:new, serving at port 17450.
  void import_redis();

  // `docker run` with runc and with two versions gives the same: output and status, which is
  // `status` (any if -1).
  void expect_same(const std::string& options, const std::string& command, int status = 0);

  // `docker inspect -f '{{FORMAT}}'` of a container.
  std::string inspect(const std::string& name, const std::string& format);
};

}  // namespace mx::engines
