#include "text/unicode.h"

#include <gtest/gtest.h>

namespace emend::text {
namespace {

TEST(Unicode, ComposesAndDecomposes) {
  EXPECT_EQ(compose("e\u0301\u1100\u1161"), "é가");
  EXPECT_EQ(decompose("é가"), "e\u0301\u1100\u1161");
  EXPECT_EQ(decompose("\u1ec7"), "e\u0323\u0302");  // in the order of their classes
  EXPECT_EQ(compose("e\u0302\u0323"), "\u1ec7");
  EXPECT_EQ(decompose("\ufb01"), "\ufb01");  // no compatibility mappings
  EXPECT_EQ(compose(""), "");
}

}  // namespace
}  // namespace emend::text
