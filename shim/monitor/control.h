// The control socket: takes connections and packets, hands checked requests on, sends answers.
// Never blocks: who does not read its answer, or sends rubbish, is cut off.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "shim/operator/protocol.h"

namespace mx::monitor {

class ControlSocket {
 public:
  /// Names a connection for as long as it lives; 0 is none.
  using Peer = uint64_t;
  using Handler = std::function<void(Peer, const op::Request&)>;

  explicit ControlSocket(Handler handler) : handler_(std::move(handler)) {}
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  /// Binds `folder`/control.sock (mode 0600) and adds itself to `epoll`. Throws Error.
  void open(const std::string& folder, int epoll);
  /// True if this descriptor, which epoll names, is one of ours; it has been served then.
  bool serve(int fd);
  /// Answers the peer's request; does nothing if it has gone.
  void answer(Peer peer, const nlohmann::ordered_json& answer);

 private:
  void accept_all();
  void receive(int fd);
  bool allowed(int fd) const;
  void drop(int fd);

  Handler handler_;
  int listener_ = -1, epoll_ = -1;
  std::map<int, Peer> peers_;
  Peer next_ = 1;
};

}  // namespace mx::monitor
