#include "analyzer/code/program.h"

#include <algorithm>

#include "analyzer/code/discovery.h"
#include "analyzer/elf/debug_file.h"

namespace mx::analyzer {
namespace {

// Functions or data that contain others are rare; looking back this far finds them.
constexpr int kNesting = 8;

template <class T>
auto first_after(const std::vector<T>& all, uint64_t address) {
  return std::upper_bound(all.begin(), all.end(), address,
                          [](uint64_t a, const T& t) { return a < t.address; });
}

}  // namespace

uint32_t Function::index_at(uint64_t a) const {
  if (!contains(a)) return kNone;
  uint32_t offset = static_cast<uint32_t>(a - address);
  auto it = std::lower_bound(code.begin(), code.end(), offset,
                             [](const Instruction& i, uint32_t o) { return i.offset < o; });
  if (it == code.end() || it->offset != offset) return kNone;
  return static_cast<uint32_t>(it - code.begin());
}

const JumpTable* Function::table_of(uint32_t instruction) const {
  for (const JumpTable& t : tables)
    if (t.jump == instruction) return &t;
  return nullptr;
}

Result<std::shared_ptr<const Program>> Program::load(const std::string& path,
                                                     const std::string& debug_file) {
  auto image = Image::load(path);
  if (!image) return image.error();
  auto program = std::make_shared<Program>();
  program->image_ = image.value();
  program->frames_ = CallFrames::parse(*program->image_);
  auto debug = load_debug_file(*program->image_, debug_file);
  if (!debug) return debug.error();
  program->debug_ = debug.value();
  Discovery(*program, program->debug_.get()).run();
  return std::shared_ptr<const Program>(std::move(program));
}

uint32_t Program::function_starting_at(uint64_t address) const {
  auto it = first_after(functions_, address);
  if (it == functions_.begin() || std::prev(it)->address != address) return kNone;
  return static_cast<uint32_t>(std::prev(it) - functions_.begin());
}

uint32_t Program::function_containing(uint64_t address) const {
  auto it = first_after(functions_, address);
  for (int back = 0; back < kNesting && it != functions_.begin(); ++back) {
    --it;
    if (it->contains(address)) return static_cast<uint32_t>(it - functions_.begin());
  }
  return kNone;
}

const DataObject* Program::data_containing(uint64_t address) const {
  auto it = first_after(data_, address);
  for (int back = 0; back < kNesting && it != data_.begin(); ++back) {
    --it;
    if (address - it->address < std::max<uint64_t>(it->size, 1)) return &*it;
  }
  return nullptr;
}

std::string Program::import_at(uint64_t address) const {
  uint32_t f = function_starting_at(address);
  if (f != kNone && functions_[f].kind == FunctionKind::plt) {
    const std::string& name = functions_[f].name;
    return name.substr(0, name.rfind('@'));
  }
  const Relocation* r = image_->relocation_at(address);
  return r ? r->symbol : std::string();
}

}  // namespace mx::analyzer
