#include "shim/agent/vdso.h"

#include <elf.h>

#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

long (*clock_gettime_fn)(long, void*);
long (*gettimeofday_fn)(void*, void*);
long (*time_fn)(void*);
long (*getcpu_fn)(void*, void*, void*);

template <typename F>
void take(F& f, const char* want, const char* name, uint64_t address) {
  if (string_equal(want, name)) f = reinterpret_cast<F>(address);
}

}  // namespace

namespace {
// At its first use: most short-lived programs never ask for the time.
std::atomic<uint64_t> unread;

void read_vdso(uint64_t base) {
  auto* eh = reinterpret_cast<const Elf64_Ehdr*>(base);
  auto* ph = reinterpret_cast<const Elf64_Phdr*>(base + eh->e_phoff);
  const Elf64_Dyn* dyn = nullptr;
  uint64_t bias = base;
  for (int i = 0; i < eh->e_phnum; i++) {
    if (ph[i].p_type == PT_DYNAMIC) dyn = reinterpret_cast<const Elf64_Dyn*>(base + ph[i].p_offset);
    if (ph[i].p_type == PT_LOAD) bias = base + ph[i].p_offset - ph[i].p_vaddr;
  }
  const Elf64_Sym* symbols = nullptr;
  const char* strings = nullptr;
  const uint32_t* hash = nullptr;
  for (; dyn && dyn->d_tag; dyn++) {
    uint64_t p = bias + dyn->d_un.d_ptr;
    if (dyn->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const Elf64_Sym*>(p);
    if (dyn->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(p);
    if (dyn->d_tag == DT_HASH) hash = reinterpret_cast<const uint32_t*>(p);
  }
  // Newer vDSOs have DT_GNU_HASH only; their symbol table ends where the strings begin.
  if (!symbols || !strings) return;
  uint64_t count =
      hash ? hash[1]
           : (reinterpret_cast<uint64_t>(strings) - reinterpret_cast<uint64_t>(symbols)) /
                 sizeof(Elf64_Sym);
  for (uint64_t i = 0; i < count; i++) {
    const char* name = strings + symbols[i].st_name;
    uint64_t at = bias + symbols[i].st_value;
    take(clock_gettime_fn, "__vdso_clock_gettime", name, at);
    take(gettimeofday_fn, "__vdso_gettimeofday", name, at);
    take(time_fn, "__vdso_time", name, at);
    take(getcpu_fn, "__vdso_getcpu", name, at);
  }
}

void ensure_read() {
  if (!unread.load(std::memory_order_relaxed)) return;
  if (const uint64_t base = unread.exchange(0)) read_vdso(base);
}
}  // namespace

void init_vdso(uint64_t base) { unread.store(base); }

// Clocks that the vDSO reads without a system call on a machine whose clock source allows it.
static bool fast_clock(uint64_t clock) {
  constexpr uint32_t kFast = 1u << 0 | 1u << 1 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 11;
  return clock < 12 && (kFast >> clock & 1);
}

bool vdso_fell_back(Thread* t, Regs* r) {
  if (!t->in_vdso) return false;
  clock_gettime_fn = nullptr;  // this machine's clock needs the kernel: no detour from now on
  gettimeofday_fn = nullptr;
  time_fn = nullptr;
  r->rax = static_cast<uint64_t>(raw6(r->nr, r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9));
  return true;
}

bool read_clock(Thread* t, long nr, uint64_t clock, uint64_t value[2]) {
  ensure_read();
  bool gettime = nr == __NR_clock_gettime;
  if (gettime ? !clock_gettime_fn || !fast_clock(clock) : !gettimeofday_fn) return false;
  t->in_vdso = 1;
  long result =
      gettime ? clock_gettime_fn(static_cast<long>(clock), value) : gettimeofday_fn(value, nullptr);
  t->in_vdso = 0;
  return result == 0;
}

bool vdso_call(Call& c, long& result) {
  // A bad pointer from the program must give EFAULT, which only the kernel can: results go to the
  // agent's memory first.
  uint64_t value[2];
  bool gettime = c.nr == __NR_clock_gettime;
  if (gettime || c.nr == __NR_gettimeofday) {
    uint64_t to = c.args[gettime];
    if (to < stream::kPage || (!gettime && c.args[1]) || !read_clock(c.t, c.nr, c.args[0], value))
      return false;
    memcpy(reinterpret_cast<void*>(to), value, sizeof value);
    result = 0;
    return true;
  }
  ensure_read();
  if (c.nr != __NR_time || !time_fn || c.args[0]) return false;
  result = time_fn(nullptr);
  return true;
}

}  // namespace mx::agent
