#include "shim/agent/marshal.h"

#include "shim/agent/memory.h"

namespace mx::agent {

using sys::Arg;
using sys::ArgKind;
using sys::SizeRule;

namespace {

constexpr uint64_t kMaxInput = 1u << 30;

uint32_t size_word(const Call& c, int i) {
  uint64_t at = sys::size_word_address(*c.d, i, c.args);
  return at ? *reinterpret_cast<uint32_t*>(at) : 0;
}

// Calls f(bytes, n) for each piece of the buffers of an iovec array, `total` bytes in all.
template <typename F>
bool each_piece(uint64_t iov, uint64_t count, uint64_t total, F&& f) {
  auto* v = reinterpret_cast<const Iovec*>(iov);
  for (uint64_t k = 0; k < count && total; k++) {
    uint64_t n = v[k].len < total ? v[k].len : total;
    if (n && !f(reinterpret_cast<void*>(v[k].base), n)) return false;
    total -= n;
  }
  return true;
}

uint64_t iov_total(uint64_t iov, uint64_t count) {
  auto* v = reinterpret_cast<const Iovec*>(iov);
  uint64_t total = 0;
  for (uint64_t k = 0; k < count && k < 1024; k++) total += v[k].len;
  return total;
}

// The part of a socket address that has a meaning; callers leave garbage behind it.
uint64_t address_bytes(const void* address, uint64_t n) {
  constexpr uint16_t kUnix = 1, kInet = 2;
  auto* bytes = static_cast<const char*>(address);
  uint16_t family = 0;
  if (n >= sizeof family) memcpy(&family, bytes, sizeof family);
  if (family == kInet && n > 8) return 8;
  bool path = family == kUnix && n > 2 && bytes[2];  // else unnamed or abstract: all bytes count
  return path ? 2 + string_length(bytes + 2, n - 2) : n;
}

bool takes_address(const Call& c, int i) {
  return (c.nr == __NR_connect && i == 1) || (c.nr == __NR_bind && i == 1) ||
         (c.nr == __NR_sendto && i == 4);
}

// Calls f(bytes, n) for everything that argument i hands to the kernel.
template <typename F>
void each_input(const Call& c, int i, F&& f) {
  const Arg& a = c.d->args[i];
  uint64_t p = c.args[i];
  if (!p || !a.compare) return;
  switch (a.kind) {
    case ArgKind::kPath:
    case ArgKind::kStr: {
      auto* s = reinterpret_cast<const char*>(p);
      f(s, string_length(s, 4096));
      return;
    }
    case ArgKind::kStrv: {
      auto* v = reinterpret_cast<const char* const*>(p);
      for (int k = 0; k < 4096 && v[k]; k++) f(v[k], string_length(v[k], 4096));
      return;
    }
    case ArgKind::kIn: {  // kInOut: the kernel has changed it when we look
      uint64_t n = sys::bytes_in(*c.d, i, c.args, c.before[i]);
      if (n && takes_address(c, i)) n = address_bytes(reinterpret_cast<const void*>(p), n);
      if (n && n < kMaxInput) f(reinterpret_cast<const char*>(p), n);
      return;
    }
    case ArgKind::kIovIn: {
      uint64_t n = c.args[a.size_arg];
      each_piece(p, n, iov_total(p, n), [&](void* b, uint64_t k) {
        f(static_cast<const char*>(b), k);
        return true;
      });
      return;
    }
    case ArgKind::kMsgIn: {
      auto* m = reinterpret_cast<const Msghdr*>(p);
      auto* name = reinterpret_cast<const char*>(m->name);
      if (name) f(name, address_bytes(name, m->namelen));
      each_piece(m->iov, m->iovlen, iov_total(m->iov, m->iovlen), [&](void* b, uint64_t k) {
        f(static_cast<const char*>(b), k);
        return true;
      });
      return;
    }
    default:
      return;
  }
}

// struct msghdr on the lane: namelen, controllen, flags, then name, control and data.
struct MsgSizes {
  uint32_t namelen, flags;
  uint64_t controllen, data;
};

bool put_msg(Thread* t, const Msghdr* m, uint64_t data) {
  MsgSizes sizes{m->name ? m->namelen : 0, m->flags, m->control ? m->controllen : 0, data};
  return lane_put(t, &sizes, sizeof sizes) &&
         lane_put(t, reinterpret_cast<void*>(m->name), sizes.namelen) &&
         lane_put(t, reinterpret_cast<void*>(m->control), sizes.controllen) &&
         each_piece(m->iov, m->iovlen, data,
                    [&](void* b, uint64_t n) { return lane_put(t, b, n); });
}

bool get_bounded(Thread* t, uint64_t to, uint64_t capacity, uint64_t n) {
  uint64_t fits = to ? (n < capacity ? n : capacity) : 0;
  return lane_get(t, reinterpret_cast<void*>(to), fits) && lane_skip(t, n - fits);
}

// Of this version's buffer, when the leader's call has succeeded.
uint64_t capacity(const Call& c, int i) {
  const SizeRule rule = c.d->args[i].rule;
  const uint32_t after = rule == SizeRule::kValueAt || rule == SizeRule::kSelf ? c.before[i] : 0;
  return sys::bytes_out(*c.d, i, c.args, c.ret, c.before[i], after);
}

bool get_msg(Thread* t, Msghdr* m, uint64_t* used) {
  MsgSizes sizes;
  if (!lane_get(t, &sizes, sizeof sizes)) return false;
  *used = sizeof sizes + sizes.namelen + sizes.controllen + sizes.data;
  if (!get_bounded(t, m->name, m->namelen, sizes.namelen)) return false;
  if (!get_bounded(t, m->control, m->controllen, sizes.controllen)) return false;
  m->namelen = sizes.namelen;
  m->controllen = sizes.controllen;
  m->flags = sizes.flags;
  uint64_t left = sizes.data;
  bool ok = each_piece(m->iov, m->iovlen, left, [&](void* b, uint64_t n) {
    left -= n;
    return lane_get(t, b, n);
  });
  return ok && lane_skip(t, left);
}

uint64_t msg_size(const Msghdr* m, uint64_t data) {
  return sizeof(MsgSizes) + (m->name ? m->namelen : 0) + (m->control ? m->controllen : 0) + data;
}

// How many bytes recvmsg really put into the buffers (MSG_TRUNC makes ret larger).
uint64_t received(const Msghdr* m, uint64_t ret) {
  uint64_t room = iov_total(m->iov, m->iovlen);
  return ret < room ? ret : room;
}

}  // namespace

void read_size_words(Call& c) {
  for (int i = 0; i < c.d->nargs; i++) {
    SizeRule rule = c.d->args[i].rule;
    if (rule != SizeRule::kValueAt && rule != SizeRule::kSelf) continue;
    uint64_t at = sys::size_word_address(*c.d, i, c.args);
    c.before[i] =
        at && readable(reinterpret_cast<void*>(at), 4) ? *reinterpret_cast<uint32_t*>(at) : 0;
  }
}

uint64_t out_size(const Call& c, int i) {
  const Arg& a = c.d->args[i];
  uint64_t p = c.args[i];
  if (!p || !sys::is_written(a, c.ret)) return 0;
  if (a.kind == ArgKind::kMsgOut) {
    auto* m = reinterpret_cast<const Msghdr*>(p);
    return c.ret < 0 ? 0 : msg_size(m, received(m, c.ret));
  }
  if (a.kind == ArgKind::kMmsgOut) {
    uint64_t n = 0;
    auto* v = reinterpret_cast<const Mmsghdr*>(p);
    for (long k = 0; k < c.ret; k++) n += 4 + msg_size(&v[k].hdr, received(&v[k].hdr, v[k].len));
    return n;
  }
  uint32_t after = c.d->args[i].rule == SizeRule::kValueAt || c.d->args[i].rule == SizeRule::kSelf
                       ? size_word(c, i)
                       : 0;
  return sys::bytes_out(*c.d, i, c.args, c.ret, c.before[i], after);
}

bool put_out(Call& c, int i, uint64_t n) {
  Thread* t = c.t;
  uint64_t p = c.args[i];
  switch (c.d->args[i].kind) {
    case ArgKind::kIovOut:
      return each_piece(p, c.args[c.d->args[i].size_arg], n,
                        [&](void* b, uint64_t k) { return lane_put(t, b, k); });
    case ArgKind::kMsgOut: {
      auto* m = reinterpret_cast<const Msghdr*>(p);
      return put_msg(t, m, received(m, c.ret));
    }
    case ArgKind::kMmsgOut: {
      auto* v = reinterpret_cast<const Mmsghdr*>(p);
      for (long k = 0; k < c.ret; k++)
        if (!lane_put(t, &v[k].len, 4) || !put_msg(t, &v[k].hdr, received(&v[k].hdr, v[k].len)))
          return false;
      return true;
    }
    default:
      return lane_put(t, reinterpret_cast<void*>(p), n);
  }
}

bool get_out(Call& c, int i, uint64_t n) {
  Thread* t = c.t;
  uint64_t p = c.args[i];
  const Arg& a = c.d->args[i];
  if (!p) return lane_skip(t, n);
  switch (a.kind) {
    case ArgKind::kIovOut: {
      uint64_t left = n;
      bool ok = each_piece(p, c.args[a.size_arg], n, [&](void* b, uint64_t k) {
        left -= k;
        return lane_get(t, b, k);
      });
      return ok && lane_skip(t, left);
    }
    case ArgKind::kMsgOut: {
      uint64_t used = 0;
      return get_msg(t, reinterpret_cast<Msghdr*>(p), &used) && lane_skip(t, n - used);
    }
    case ArgKind::kMmsgOut: {
      auto* v = reinterpret_cast<Mmsghdr*>(p);
      uint64_t total = 0;
      for (long k = 0; k < c.ret && total < n; k++) {
        uint64_t used = 0;
        if (!lane_get(t, &v[k].len, 4) || !get_msg(t, &v[k].hdr, &used)) return false;
        total += 4 + used;
      }
      return lane_skip(t, n - total);
    }
    default:
      return get_bounded(t, p, capacity(c, i), n);
  }
}

void put_in_place(Call& c, int i, const void* bytes, uint64_t n) {
  const uint64_t room = c.args[i] ? capacity(c, i) : 0;
  memcpy(reinterpret_cast<void*>(c.args[i]), bytes, n < room ? n : room);
}

int64_t handed_over(const Call& c) {
  if (c.d->ret != sys::RetKind::kSize) return -1;
  for (int i = 0; i < c.d->nargs; i++) {
    if (!(c.d->in_mask >> i & 1)) continue;
    const Arg& a = c.d->args[i];
    switch (a.kind) {
      case ArgKind::kIn:
        return static_cast<int64_t>(sys::bytes_in(*c.d, i, c.args, c.before[i]));
      case ArgKind::kIovIn:
        return static_cast<int64_t>(iov_total(c.args[i], c.args[a.size_arg]));
      case ArgKind::kMsgIn: {
        auto* m = reinterpret_cast<const Msghdr*>(c.args[i]);
        return static_cast<int64_t>(iov_total(m->iov, m->iovlen));
      }
      default:
        return -1;
    }
  }
  return -1;
}

uint64_t digest_inputs(const Call& c) {
  uint64_t h = 0;
  for (int i = 0; i < c.d->nargs; i++)
    if (c.d->in_mask >> i & 1)
      each_input(c, i, [&](const char* b, uint64_t n) { h = digest(h, b, n); });
  return h;
}

uint32_t sample_inputs(const Call& c, uint8_t* to, uint32_t limit) {
  uint32_t used = 0;
  for (int i = 0; i < c.d->nargs; i++) {
    if (!(c.d->in_mask >> i & 1)) continue;
    each_input(c, i, [&](const char* b, uint64_t n) {
      uint32_t k = n < limit - used ? n : limit - used;
      memcpy(to + used, b, k);
      used += k;
    });
  }
  return used;
}

// The kernel reads a path before anything else can fail, but a buffer only when it uses it.
bool inputs_were_read(const Call& c, long ret) {
  if (ret >= 0) return true;
  if (c.d->path_arg < 0) return false;
  return ret == -2 || ret == -17 || ret == -13 || ret == -20 || ret == -21 || ret == -40;
}

}  // namespace mx::agent
