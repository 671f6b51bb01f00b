#include "editing/targets/block_numbers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/testing.h"

namespace emend {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(BlockNumbers, ReadsNumbersAndRanges) {
  EXPECT_THAT(block_numbers("5", 6, "language"), ElementsAre(5));
  EXPECT_THAT(block_numbers("4,0-2", 6, "language"), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(block_numbers(" 0 - 1, 3", 6, "language"), ElementsAre(0, 1, 3));
}

TEST(BlockNumbers, RefusesAnythingElse) {
  for (const char* list : {"", "6", "-1", "1-", "2-1", "1,1", "0-2,1", "1,", "x", "1 2", "1-2-3",
                           "99999999999999999999"})
    EXPECT_THAT(error_of([&] { block_numbers(list, 6, "connector"); }),
                HasSubstr("is not a list of block numbers from 0 to 5 of connector"))
        << list;
  EXPECT_THAT(error_of([] { block_numbers("0", 0, "connector"); }), HasSubstr("has no blocks"));
}

}  // namespace
}  // namespace emend
