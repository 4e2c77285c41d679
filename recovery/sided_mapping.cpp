#include "recovery/sided_mapping.h"

#include <algorithm>

namespace mx::recovery {

SidedMapping::SidedMapping(std::shared_ptr<const mapping::MappingFile> file, Side own)
    : file_(std::move(file)), old_(own == Side::kOld) {
  auto data = file_->data();
  for (uint32_t i = 0; i < data.size(); ++i)
    if (other_address(data[i])) other_data_.push_back(i);
  std::stable_sort(other_data_.begin(), other_data_.end(), [&](uint32_t a, uint32_t b) {
    return other_address(data[a]) < other_address(data[b]);
  });
}

const mapping::Data* SidedMapping::data_at_other(uint64_t address) const {
  auto data = file_->data();
  auto it = std::upper_bound(other_data_.begin(), other_data_.end(), address,
                             [&](uint64_t a, uint32_t i) { return a < other_address(data[i]); });
  for (int back = 0; back < 4 && it != other_data_.begin(); ++back) {
    const mapping::Data& d = data[*--it];
    uint64_t distance = address - other_address(d);
    if (distance == 0 || distance < other_size(d)) return &d;
  }
  return nullptr;
}

uint64_t SidedMapping::next_data_other(uint64_t address) const {
  auto data = file_->data();
  auto it = std::upper_bound(other_data_.begin(), other_data_.end(), address,
                             [&](uint64_t a, uint32_t i) { return a < other_address(data[i]); });
  return it == other_data_.end() ? ~uint64_t{0} : other_address(data[*it]);
}

}  // namespace mx::recovery
