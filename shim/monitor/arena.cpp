#include "shim/monitor/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mx/agent_image.inc"

extern "C" const uint8_t mx_agent_image[], mx_agent_image_end[];

namespace mx::monitor {

using namespace stream;

const uint8_t* AgentImage::bytes() { return mx_agent_image; }
size_t AgentImage::size() { return mx_agent_image_end - mx_agent_image; }
uint64_t AgentImage::text_size() { return kTextSize; }
uint64_t AgentImage::data_size() { return kDataSize; }
uint64_t AgentImage::start() { return k_mx_start; }
const uint8_t* AgentImage::boot_code() { return bytes() + (k_mx_boot_begin - kTextAddress); }
size_t AgentImage::boot_size() { return k_mx_boot_end - k_mx_boot_begin; }
size_t AgentImage::boot_info_offset() { return k_mx_boot_info - k_mx_boot_begin; }

// The limit of address space (ulimit -v) is the program's: it gets what it natively has, and sees
// its own values (agent/limits.cpp).
void Arena::raise_limit() {
  rlimit now{};
  if (getrlimit(RLIMIT_AS, &now) != 0 || now.rlim_cur == RLIM_INFINITY) return;
  rlimit wanted{now.rlim_cur + kAddressSpace, now.rlim_max};
  if (wanted.rlim_max < wanted.rlim_cur) wanted.rlim_max = now.rlim_max + kAddressSpace;
  if (setrlimit(RLIMIT_AS, &wanted) != 0)
    throw Error("the limit of address space (ulimit -v) leaves no room for the shared arena: " +
                std::to_string(kAddressSpace >> 20) +
                " MiB of addresses, most of them never used; raise the hard limit by that");
  raised_[0] = wanted.rlim_cur - now.rlim_cur;
  raised_[1] = wanted.rlim_max - now.rlim_max;
}

Arena::Arena() {
  raise_limit();
  fd_ = memfd_create("mx-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd_ < 0) throw system_error("cannot create the shared arena (memfd_create)");
  if (ftruncate(fd_, kArenaFileSize) != 0) throw system_error("cannot size the shared arena");
  // A version that made it smaller would end who touches what is gone.
  fcntl(fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  void* p = mmap(reinterpret_cast<void*>(kArenaBase), kArenaSize, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED_NOREPLACE, fd_, 0);
  if (p != reinterpret_cast<void*>(kArenaBase)) {
    if (errno == EEXIST)  // the agent of another mx lives there
      throw Error(
          "mx runs under mx here, which cannot be: give the inner program to one mx run only");
    throw system_error("cannot map the shared arena");
  }
  base_ = static_cast<uint8_t*>(p);
  control_ = reinterpret_cast<Control*>(base_ + kControlOffset);
  control_->magic = kArenaMagic;
  control_->version = kProtocolVersion;
}

void Arena::put_agent_in() const {
  if (AgentImage::size() > kAgentImageLimit) throw Error("the agent's image is too large");
  // Written, not copied into the mapping: a first touch costs far more than a page's bytes. The
  // zeros at its end are there already.
  size_t size = AgentImage::size();
  while (size > 0 && AgentImage::bytes()[size - 1] == 0) size--;
  if (pwrite(fd_, AgentImage::bytes(), size, kAgentImageOffset) != static_cast<ssize_t>(size))
    throw system_error("cannot fill the shared arena");
}

Arena::~Arena() {
  // Stays mapped: the thread that waits for messages reads it until the process ends.
  if (fd_ >= 0) close(fd_);
}

}  // namespace mx::monitor
