#include "io/processes/process_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "io/processes/testing/silent_server.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

ProcessPlace place(int rank, int size, uint16_t port) {
  return {"--processes", rank, size, size, "127.0.0.1", port};
}

// Runs `act` in each rank of a group of `size` threads, which stand for processes.
void in_group(int size, const std::function<void(ProcessGroup&)>& act) {
  ProcessGroup first(place(0, size, 0));
  std::vector<std::thread> others;
  for (int rank = 1; rank < size; ++rank)
    others.emplace_back([&, rank] {
      ProcessGroup group(place(rank, size, first.place().port));
      act(group);
    });
  act(first);
  for (auto& other : others) other.join();
}

TEST(ProcessGroup, SharesCountersAndValues) {
  std::atomic<int64_t> tasks = 0;
  in_group(3, [&](ProcessGroup& group) {
    for (int64_t task; (task = group.add("tasks", 1)) <= 30;) tasks += task;
    if (group.rank() == 1) group.set("text", std::string("a\0b", 3));
    EXPECT_EQ(group.wait("text", 1), std::string("a\0b", 3));
    EXPECT_FALSE(group.get("nothing"));
    for (int rank = 0; rank < 3; ++rank) EXPECT_TRUE(group.alive(rank));
    group.add("done", 1);
    while (group.add("done", 0) < 3) std::this_thread::yield();
    if (group.rank() == 0) group.erase("text");
  });
  EXPECT_EQ(tasks, 30 * 31 / 2);
}

TEST(ProcessGroup, SumsTensors) {
  in_group(2, [&](ProcessGroup& group) {
    const double value = group.rank() + 1;
    std::vector<at::Tensor> tensors = {at::full({3, 2}, value), at::full({2}, value, at::kDouble)};
    group.sum(tensors);
    EXPECT_TRUE(at::equal(tensors[0], at::full({3, 2}, 3.0)));
    EXPECT_TRUE(at::equal(tensors[1], at::full({2}, 3.0, at::kDouble)));
    group.add("done", 1);
    while (group.add("done", 0) < 2) std::this_thread::yield();
  });
}

TEST(ProcessGroup, AFailureOfOneEndsTheWaitOfTheOthers) {
  in_group(2, [&](ProcessGroup& group) {
    if (group.rank() == 1) {
      group.fail("the disk is full");
      return;
    }
    EXPECT_THAT(error_of([&] { group.wait("result", 1); }), HasSubstr("rank 1: the disk is full"));
  });
}

TEST(ProcessGroup, RefusesAPortInUse) {
  ProcessGroup group(place(0, 1, 0));
  EXPECT_THAT(error_of([&] { ProcessGroup(place(0, 1, group.place().port)); }),
              HasSubstr("rank 0 cannot listen at 127.0.0.1:"));
}

TEST(ProcessGroup, RefusesProcessesOfAnotherRun) {
  in_group(2, [&](ProcessGroup& group) {
    if (group.rank() == 0) return;
    const auto port = group.place().port;
    EXPECT_THAT(error_of([&] { ProcessGroup(place(1, 3, port)); }),
                HasSubstr("rank 1 belongs to a run of 3 processes, but rank 0 to one of 2, so "
                          "another run uses 127.0.0.1:"));
    EXPECT_THAT(error_of([&] { ProcessGroup(place(1, 2, port)); }),
                HasSubstr("a process has already joined as rank 1"));
  });
}

TEST(ProcessGroup, DoesNotWaitForASilentServer) {
  const SilentServer server;
  const auto begin = std::chrono::steady_clock::now();
  const auto message = error_of(
      [&] { ProcessGroup(place(1, 2, server.port()), std::chrono::milliseconds(900)); });
  EXPECT_THAT(message, HasSubstr("rank 1: rank 0 at 127.0.0.1:"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(ProcessGroup, RefusesAnUnknownHost) {
  auto unknown = place(0, 2, 29500);
  unknown.address = "no such host";
  EXPECT_THAT(error_of([&] { ProcessGroup group(unknown); }),
              HasSubstr("the host name 'no such host' cannot be resolved"));
}

TEST(ProcessGroup, ReportsAnUnreachableRank0) {
  uint16_t port = 0;
  {
    ProcessGroup group(place(0, 1, 0));
    port = group.place().port;
  }
  EXPECT_THAT(
      error_of([&] { ProcessGroup(place(1, 2, port), std::chrono::milliseconds(300)); }),
      HasSubstr("rank 1 cannot reach rank 0 at 127.0.0.1:"));
}

}  // namespace
}  // namespace emend
