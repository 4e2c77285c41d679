// Format: pcHeader and functab in Go's src/runtime/symtab.go, unchanged from Go 1.18 to 1.25 but
// for the magic number and for textStart, which is 0 in the newest (then the text section's start
// counts).
#include "go_pclntab.h"

#include "byte_reader.h"

namespace mx::sites {

std::vector<uint64_t> read_go_functions(const ElfImage& image) {
  constexpr uint32_t kMagic118 = 0xfffffff0, kMagic120 = 0xfffffff1;
  const Section* section = image.section(".gopclntab");
  if (!section) section = image.section(".data.rel.ro.gopclntab");  // position-independent builds
  if (!section) return {};

  ByteReader header(section->bytes, section->address);
  const auto magic = header.fixed<uint32_t>();
  if (magic != kMagic118 && magic != kMagic120) return {};
  header.skip(3);  // two zeros, the instruction quantum
  if (header.fixed<uint8_t>() != 8) return {};
  const auto count = header.fixed<uint64_t>();
  header.skip(8);  // number of files
  auto text = header.fixed<uint64_t>();
  header.skip(4 * 8);  // offsets of names, units, files and line programs
  const auto functions = header.fixed<uint64_t>();
  const Section* text_section = image.section(".text");
  if (text == 0 && text_section) text = text_section->address;

  const auto table = slice(section->bytes, functions, section->bytes.size() - functions);
  if (header.failed() || !table || count >= table->size() / 8) return {};
  std::vector<uint64_t> begins;
  ByteReader reader(*table, 0);
  for (uint64_t i = 0; i <= count; ++i) {
    begins.push_back(text + reader.fixed<uint32_t>());
    if (i < count) reader.skip(4);  // where the function's own record is
    if (i > 0 && begins[i] < begins[i - 1]) return {};
  }
  return reader.failed() ? std::vector<uint64_t>{} : begins;
}

}  // namespace mx::sites
