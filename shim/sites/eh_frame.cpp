// Format: LSB Core 5.0, "Exception Frames"; the language-specific data area as gcc writes it
// (call-site table with a header of encodings).
#include "eh_frame.h"

#include <string>
#include <unordered_map>

#include "byte_reader.h"

namespace mx::sites {
namespace {

constexpr uint8_t kOmit = 0xff;
constexpr size_t kMaxCallSites = 1 << 16;

/// What a common information entry says about its frames.
struct Common {
  bool valid = false;
  bool augmented = false;  // frames carry an augmentation length
  bool signal_handler = false;
  uint8_t pointer_encoding = 0;
  uint8_t lsda_encoding = kOmit;
};

Common read_common(ByteReader entry) {
  Common common;
  const auto version = entry.fixed<uint8_t>();
  if (version != 1 && version != 3) return common;
  std::string augmentation;
  while (const auto c = entry.fixed<char>()) augmentation += c;
  entry.uleb();  // code alignment
  entry.sleb();  // data alignment
  if (version == 1)
    entry.fixed<uint8_t>();  // return address register
  else
    entry.uleb();
  if (!augmentation.empty() && augmentation[0] == 'z') {
    common.augmented = true;
    entry.uleb();
    for (const char c : augmentation.substr(1)) {
      if (c == 'R') {
        common.pointer_encoding = entry.fixed<uint8_t>();
      } else if (c == 'L') {
        common.lsda_encoding = entry.fixed<uint8_t>();
      } else if (c == 'P') {
        const auto encoding = entry.fixed<uint8_t>();
        entry.encoded(encoding & 0x7f);  // the routine's address is of no interest: do not follow
      } else if (c == 'S') {
        common.signal_handler = true;
      } else if (c != 'B') {
        return common;
      }
    }
  } else if (!augmentation.empty()) {
    return common;
  }
  common.valid = !entry.failed();
  return common;
}

bool read_frame(ByteReader entry, const Common& common, Frame* frame) {
  frame->begin = entry.encoded(common.pointer_encoding);
  const uint64_t size = entry.encoded(common.pointer_encoding & 0x0f);
  frame->end = frame->begin + size;
  frame->signal_handler = common.signal_handler;
  frame->lsda = 0;
  frame->unknown_lsda = false;
  if (entry.failed() || size == 0 || frame->end < frame->begin) return false;
  if (common.augmented && common.lsda_encoding != kOmit) {
    ByteReader augmentation = entry.sub(entry.uleb());
    frame->lsda = augmentation.encoded(common.lsda_encoding);
    frame->unknown_lsda = entry.failed() || augmentation.failed();
  }
  return true;
}

/// The bytes of .eh_frame and their address.
ByteReader find_eh_frame(const ElfImage& image) {
  ByteReader header(image.from(image.eh_frame_hdr()), image.eh_frame_hdr());
  if (image.eh_frame_hdr() != 0 && header.fixed<uint8_t>() == 1) {
    const auto encoding = header.fixed<uint8_t>();
    header.fixed<uint16_t>();  // the encodings of the search table, which is not needed
    const uint64_t start = header.encoded(encoding);
    if (!header.failed() && start != 0) return {image.from(start), start};
  }
  const Section* section = image.section(".eh_frame");
  return section ? ByteReader(section->bytes, section->address) : ByteReader(Bytes{}, 0);
}

}  // namespace

std::vector<Frame> read_frames(const ElfImage& image) {
  std::vector<Frame> frames;
  std::unordered_map<uint64_t, Common> commons;
  ByteReader reader = find_eh_frame(image);
  while (!reader.done()) {
    uint64_t length = reader.fixed<uint32_t>();
    if (length == 0xffffffff) length = reader.fixed<uint64_t>();
    if (length == 0) break;  // the terminator
    const uint64_t start = reader.address();
    ByteReader entry = reader.sub(length);
    if (reader.failed()) break;
    const auto id = entry.fixed<uint32_t>();  // 0: common; else the distance back to the common
    if (id == 0) {
      commons[start - 4] = read_common(entry);
      continue;
    }
    const auto common = commons.find(start - id);
    Frame frame;
    if (common != commons.end() && common->second.valid &&
        read_frame(entry, common->second, &frame))
      frames.push_back(frame);
  }
  return frames;
}

bool read_landing_pads(const ElfImage& image, const Frame& frame, std::vector<uint64_t>* pads) {
  if (frame.unknown_lsda) return false;
  if (frame.lsda == 0) return true;
  ByteReader reader(image.from(frame.lsda), frame.lsda);
  const auto start_encoding = reader.fixed<uint8_t>();
  const uint64_t base = start_encoding == kOmit ? frame.begin : reader.encoded(start_encoding);
  if (reader.fixed<uint8_t>() != kOmit) reader.uleb();  // where the type table is
  const auto encoding = reader.fixed<uint8_t>();
  ByteReader sites = reader.sub(reader.uleb());
  if (reader.failed()) return false;
  for (size_t count = 0; !sites.done(); ++count) {
    if (count == kMaxCallSites) return false;
    sites.encoded(encoding);  // start of the covered range
    sites.encoded(encoding);  // its length
    const uint64_t pad = sites.encoded(encoding);
    sites.uleb();  // action
    if (pad != 0) pads->push_back(base + pad);
  }
  return !sites.failed();
}

}  // namespace mx::sites
