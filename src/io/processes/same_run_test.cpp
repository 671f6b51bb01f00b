#include "io/processes/same_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "io/error.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The errors of ranks 0 and 1, which are threads here.
std::pair<std::string, std::string> errors_of(const std::function<void(ProcessGroup&)>& act) {
  // As the program does, a rank that stops tells the others why.
  const auto attempt = [&](ProcessGroup& group) {
    try {
      act(group);
    } catch (const Error& error) {
      group.fail(error.what());
      return std::string(error.what());
    }
    return std::string();
  };
  std::pair<std::string, std::string> errors;
  ProcessGroup first({"--processes", 0, 2, 2, "127.0.0.1", 0});
  std::thread other([&] {
    ProcessGroup group({"--processes", 1, 2, 2, "127.0.0.1", first.place().port});
    errors.second = attempt(group);
  });
  errors.first = attempt(first);
  other.join();
  return errors;
}

TEST(SameRun, PassesIfAllAreEqual) {
  const auto [first, second] = errors_of([](ProcessGroup& group) {
    check_same_command(group, "stats");
    check_same_run(group, {{"seed", 1}});
  });
  EXPECT_THAT(first, IsEmpty());
  EXPECT_THAT(second, IsEmpty());
}

TEST(SameRun, NamesTheDifferenceInAllProcesses) {
  const auto [first, second] = errors_of([](ProcessGroup& group) {
    check_same_run(group, {{"settings", {{"seed", group.rank() + 5}}}});
  });
  EXPECT_THAT(first, HasSubstr("settings.seed is 6 in rank 1, but 5 in rank 0"));
  EXPECT_THAT(second, HasSubstr(first));
}

TEST(SameRun, AnotherCommandStopsBoth) {
  const auto [first, second] = errors_of([](ProcessGroup& group) {
    check_same_command(group, group.rank() == 0 ? "train" : "bench");
    check_same_run(group, {});
  });
  EXPECT_THAT(second, HasSubstr("rank 1: this is emend bench, but rank 0 is emend train"));
  EXPECT_THAT(first, HasSubstr("rank 1: this is emend bench, but rank 0 is emend train"));
}

}  // namespace
}  // namespace emend
