// The parts that read the file: image, frames, Go's table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "shim/sites/byte_reader.h"
#include "shim/sites/eh_frame.h"
#include "shim/sites/function_bounds.h"
#include "shim/sites/mapped_file.h"

namespace mx::sites {
namespace {

constexpr const char* kLibc = "/lib/x86_64-linux-gnu/libc.so.6";

TEST(ElfImage, RefusesWhatIsNoProgram) {
  EXPECT_FALSE(ElfImage::parse({}));
  const std::vector<uint8_t> zeros(4096);
  EXPECT_FALSE(ElfImage::parse(zeros));
  const auto file = MappedFile::open(kLibc);
  ASSERT_TRUE(file);
  std::vector<uint8_t> copy(file.value().bytes().begin(), file.value().bytes().end());
  copy[18] = 183;  // e_machine: AArch64
  EXPECT_FALSE(ElfImage::parse(copy));
}

TEST(ElfImage, LibcHasOneCodeRangeAndABuildId) {
  const auto file = MappedFile::open(kLibc);
  ASSERT_TRUE(file);
  const auto image = ElfImage::parse(file.value().bytes());
  ASSERT_TRUE(image) << image.error();
  EXPECT_EQ(image.value().code().size(), 1u);
  EXPECT_EQ(image.value().build_id().size(), 20u);
  EXPECT_FALSE(image.value().fixed_address());
}

TEST(EhFrame, LibcsFramesCoverMostOfItsCode) {
  const auto file = MappedFile::open(kLibc);
  ASSERT_TRUE(file);
  const auto image = ElfImage::parse(file.value().bytes());
  ASSERT_TRUE(image);
  const std::vector<Frame> frames = read_frames(image.value());
  uint64_t covered = 0;
  for (const Frame& frame : frames) covered += frame.end - frame.begin;
  EXPECT_GT(covered, image.value().code()[0].bytes.size() * 9 / 10);
  EXPECT_EQ(std::ranges::count(frames, true, &Frame::signal_handler), 1);
}

TEST(EhFrame, EveryLandingPadOfLibcIsInCode) {
  const auto file = MappedFile::open(kLibc);
  ASSERT_TRUE(file);
  const auto image = ElfImage::parse(file.value().bytes());
  ASSERT_TRUE(image);
  std::vector<uint64_t> pads;
  for (const Frame& frame : read_frames(image.value()))
    EXPECT_TRUE(read_landing_pads(image.value(), frame, &pads)) << std::hex << frame.begin;
  EXPECT_GT(pads.size(), 20u);
  for (const uint64_t pad : pads) EXPECT_TRUE(image.value().code_at(pad)) << std::hex << pad;
}

TEST(FunctionBounds, EveryByteHasOneFunctionOrGap) {
  const auto file = MappedFile::open(kLibc);
  ASSERT_TRUE(file);
  const auto image = ElfImage::parse(file.value().bytes());
  ASSERT_TRUE(image);
  const FunctionBounds bounds(image.value());
  const Segment& code = image.value().code()[0];
  for (uint64_t at = code.address; at < code.end();) {
    const Function function = bounds.around(at);
    ASSERT_EQ(function.begin, at) << "stretches follow each other without a hole";
    ASSERT_GT(function.end, at);
    at = function.end;
  }
}

TEST(ByteReader, StaysInItsBytes) {
  const std::vector<uint8_t> bytes = {0x80, 0x80, 0x80};
  ByteReader endless(bytes, 0);
  endless.uleb();
  EXPECT_TRUE(endless.failed());
  ByteReader shorter(bytes, 0);
  EXPECT_EQ(shorter.fixed<uint64_t>(), 0u);
  EXPECT_TRUE(shorter.failed());
  ByteReader outside(bytes, 0);
  outside.sub(4);
  EXPECT_TRUE(outside.failed());
}

TEST(ByteReader, ReadsLeb128) {
  const std::vector<uint8_t> bytes = {0xe5, 0x8e, 0x26, 0x7f, 0xc0, 0xbb, 0x78};
  ByteReader reader(bytes, 0);
  EXPECT_EQ(reader.uleb(), 624485u);
  EXPECT_EQ(reader.sleb(), -1);
  EXPECT_EQ(reader.sleb(), -123456);
  EXPECT_TRUE(reader.done());
  EXPECT_FALSE(reader.failed());
}

}  // namespace
}  // namespace mx::sites
