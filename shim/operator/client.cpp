#include "shim/operator/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace mx::op {

using nlohmann::ordered_json;

namespace {

struct Fd {
  int n;
  ~Fd() {
    if (n >= 0) close(n);
  }
};

std::string reason(const std::string& what) { return what + ": " + std::strerror(errno); }

// By the folder's descriptor: the path may be longer than a socket's address.
int connect_in(const std::string& folder) {
  Fd at{open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (at.n < 0) return -1;
  Fd socket_fd{socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
  if (socket_fd.n < 0) return -1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", at.n, kSocketName);
  if (connect(socket_fd.n, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
  return std::exchange(socket_fd.n, -1);
}

}  // namespace

ordered_json ask(const std::string& folder, const Request& request, double seconds) {
  Fd fd{connect_in(folder)};
  if (fd.n < 0) return refusal(reason("the monitor cannot be reached"));
  const std::string packet = to_packet(request);
  if (send(fd.n, packet.data(), packet.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(packet.size()))
    return refusal(reason("the monitor cannot be asked"));
  pollfd p{fd.n, POLLIN, 0};
  const int ready = poll(&p, 1, static_cast<int>(seconds * 1000));
  if (ready == 0) return refusal("the monitor does not answer");
  std::vector<char> buffer(kMaxAnswer);
  const ssize_t n = recv(fd.n, buffer.data(), buffer.size(), 0);
  if (n <= 0) return refusal("the program ended before the monitor answered");
  ordered_json answer = ordered_json::parse(buffer.begin(), buffer.begin() + n, nullptr, false);
  if (!answer.is_object() || !answer.contains("ok"))
    return refusal("the monitor's answer makes no sense");
  return answer;
}

}  // namespace mx::op
