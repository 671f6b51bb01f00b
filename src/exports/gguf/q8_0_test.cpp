#include "exports/gguf/q8_0.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/tensors/safetensors.h"
#include "io/testing.h"

namespace emend {
namespace {

TEST(Q8_0, GivesTheBytesOfTheReference) {
  const auto fixture = Checkpoint::of(
      SafetensorsFile::open(EMEND_SOURCE_DIR "/src/exports/testdata/gguf/q8_0.safetensors"));
  const auto blocks = quantize_q8_0(fixture.tensor("values"));
  EXPECT_TRUE(at::equal(blocks, fixture.tensor("blocks")));
  EXPECT_TRUE(at::equal(dequantize_q8_0(blocks), fixture.tensor("restored")));
}

TEST(Q8_0, RowsThatAreNotBlocksAreRefused) {
  EXPECT_THAT(error_of([] {
                quantize_q8_0(at::zeros({2, 48}));
              }),
              ::testing::HasSubstr("multiple of 32"));
}

}  // namespace
}  // namespace emend
