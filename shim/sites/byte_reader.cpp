#include "byte_reader.h"

namespace mx::sites {

uint64_t ByteReader::leb(bool sign_extend) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = fixed<uint8_t>();
    if (failed_) return 0;
    value |= uint64_t{byte & 0x7fU} << shift;
    if (byte & 0x80) continue;
    if (sign_extend && (byte & 0x40) && shift + 7 < 64) value |= ~uint64_t{0} << (shift + 7);
    return value;
  }
  fail();
  return 0;
}

uint64_t ByteReader::encoded(uint8_t encoding) {
  constexpr uint8_t kOmit = 0xff, kIndirect = 0x80, kPcRelative = 0x10;
  if (encoding == kOmit) return 0;
  const uint64_t here = address();
  uint64_t value = 0;
  switch (encoding & 0x0f) {
    case 0x00:  // absptr
    case 0x04:  // udata8
    case 0x0c:  // sdata8
      value = fixed<uint64_t>();
      break;
    case 0x01:
      value = uleb();
      break;
    case 0x02:
      value = fixed<uint16_t>();
      break;
    case 0x03:
      value = fixed<uint32_t>();
      break;
    case 0x09:
      value = static_cast<uint64_t>(sleb());
      break;
    case 0x0a:
      value = static_cast<uint64_t>(int64_t{fixed<int16_t>()});
      break;
    case 0x0b:
      value = static_cast<uint64_t>(int64_t{fixed<int32_t>()});
      break;
    default:
      fail();
      return 0;
  }
  const uint8_t relative = encoding & 0x70;
  if ((encoding & kIndirect) || (relative != 0 && relative != kPcRelative)) {
    fail();
    return 0;
  }
  return relative == kPcRelative && value != 0 ? here + value : value;
}

}  // namespace mx::sites
