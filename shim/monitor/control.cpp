#include "shim/monitor/control.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shim/monitor/error.h"

namespace mx::monitor {

namespace {

constexpr size_t kMaxPeers = 16;

void watch(int epoll, int fd) {
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0) throw system_error("epoll_ctl");
}

}  // namespace

ControlSocket::~ControlSocket() {
  for (auto& [fd, peer] : peers_) close(fd);
  if (listener_ >= 0) close(listener_);
}

// By the folder's descriptor: the path may be longer than a socket's address.
void ControlSocket::open(const std::string& folder, int epoll) {
  epoll_ = epoll;
  const int at = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) throw system_error(folder);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", at, op::kSocketName);
  listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  unlinkat(at, op::kSocketName, 0);
  // (A file's mode comes from its socket: net/unix/af_unix.c, unix_bind_bsd(). umask(2) is that of
  // all threads, and of children that one of them makes now.)
  const bool bound = listener_ >= 0 && fchmod(listener_, 0600) == 0 &&
                     bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     listen(listener_, kMaxPeers) == 0;
  const int error = errno;
  close(at);
  errno = error;
  if (!bound) throw system_error("cannot make the control socket in " + folder);
  watch(epoll_, listener_);
}

bool ControlSocket::serve(int fd) {
  if (fd == listener_) {
    accept_all();
    return true;
  }
  if (!peers_.contains(fd)) return false;
  receive(fd);
  return true;
}

// root, and who started mx. (The folder lets nobody else
// in; this also holds when it was mounted elsewhere.)
bool ControlSocket::allowed(int fd) const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

void ControlSocket::accept_all() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (!allowed(fd)) {
      close(fd);
      continue;
    }
    if (peers_.size() >= kMaxPeers) {  // the one that has been silent longest makes room
      auto oldest = peers_.begin();
      for (auto it = peers_.begin(); it != peers_.end(); ++it)
        if (it->second < oldest->second) oldest = it;
      drop(oldest->first);
    }
    try {
      watch(epoll_, fd);
      peers_[fd] = next_++;
    } catch (const Error&) {
      close(fd);
    }
  }
}

void ControlSocket::receive(int fd) {
  char packet[op::kMaxRequest + 1];
  const ssize_t n = recv(fd, packet, sizeof packet, MSG_TRUNC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    drop(fd);
    return;
  }
  const Peer peer = peers_[fd];
  if (n > static_cast<ssize_t>(op::kMaxRequest)) {
    answer(peer,
           op::refusal("the request is longer than " + std::to_string(op::kMaxRequest) + " bytes"));
    return;
  }
  auto parsed = op::parse_request({packet, static_cast<size_t>(n)});
  if (auto* sentence = std::get_if<std::string>(&parsed)) {
    answer(peer, op::refusal(*sentence));
  } else {
    handler_(peer, std::get<op::Request>(parsed));
  }
}

void ControlSocket::answer(Peer peer, const nlohmann::ordered_json& answer) {
  for (auto& [fd, id] : peers_) {
    if (id != peer) continue;
    const std::string packet = op::to_packet(answer);
    if (send(fd, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
        static_cast<ssize_t>(packet.size()))
      drop(fd);
    return;
  }
}

void ControlSocket::drop(int fd) {
  peers_.erase(fd);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd,
            nullptr);  // (forked processes of the monitor's may have it, too)
  close(fd);
}

}  // namespace mx::monitor
