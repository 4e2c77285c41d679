// A program that puts itself into the background: `mx run` ends with its first process, a monitor stays with the others.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "shim/monitor/endings.h"
#include "shim/monitor/events.h"
#include "shim/monitor/monitor.h"

namespace mx::monitor {

using namespace stream;

namespace {
constexpr int kRemindMs = 20, kLookMs = 1000;
}

// In a process of its own: the thread that turns messages into wake-ups has stayed behind.
void Monitor::wait_for_others() {
  report_.write("note", {{"reason", "the program went on in the background"}});
  const int wake = open_message_wakeups(arena_.control());
  dup3(wake, wake_, O_CLOEXEC);
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.fd = wake_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &e);
  Endings endings(epoll_);  // its processes are init's children now
  while (others_alive()) {
    for (const Process& p : processes_taken(arena_.control()))
      for (int v : {0, 1})
        if (p.alive[v].load() && p.real_pid[v] > 1) endings.watch(p.real_pid[v]);
    // The status is its parent's to know; what had been announced is not alive any more.
    for (pid_t pid : endings.ended()) on_sudden_end(pid, SIGKILL);
    const bool reminds = remind_followers(arena_.control());
    serve_events(reminds ? kRemindMs : handover_.active() ? handover_.timeout_ms() : kLookMs);
    continue_handover();
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) on_child(pid, status);
  }
}

}  // namespace mx::monitor
