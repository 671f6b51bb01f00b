#include "text/jinja/budget.h"

#include <gtest/gtest.h>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

const char* const kExhausted = "the template runs too long, or writes more than 64 MiB";

TEST(Budget, AllowsAMillionSteps) {
  Budget budget;
  for (int i = 0; i < 1 << 20; ++i) budget.step();
  EXPECT_EQ(failure_of([&] { budget.step(); }), kExhausted);
}

TEST(Budget, AllowsTextOf64Mebibytes) {
  Budget budget;
  budget.text(size_t{1} << 26);
  EXPECT_EQ(failure_of([&] { budget.text(1); }), kExhausted);
}

TEST(Budget, CountsAnItemAsAStep) {
  Budget budget;
  budget.items(size_t{1} << 20);
  EXPECT_EQ(failure_of([&] { budget.items(1); }), kExhausted);
}

TEST(Budget, RefusesWithAHint) {
  EXPECT_EQ(
      failure_of([] { refuse("'x'"); }),
      "'x' is not implemented. Hint: src/text/jinja/README.md lists what chat templates may use");
  EXPECT_EQ(failure_of([] { fail("wrong"); }), "wrong");
}

}  // namespace
}  // namespace emend::text::jinja
