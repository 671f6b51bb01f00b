#include "evaluation/bench/shared_blocks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace emend {
namespace {

constexpr SharedBlocks::Range kTen = {4, 24, 2};

ProcessPlace place(int rank, uint16_t port) {
  return {"--processes", rank, 2, 2, "127.0.0.1", port};
}

nlohmann::json result_of(size_t begin) { return {begin, "text"}; }
bool never() { return false; }

// Rank 0 takes all blocks, and `work` runs beside it in rank 1.
void take_all(const std::function<void(ProcessGroup&)>& work, std::atomic<int>& judged) {
  ProcessGroup group(place(0, 0));
  std::thread other([&] {
    ProcessGroup second(place(1, group.place().port));
    work(second);
  });
  group.wait("joined", 1);
  SharedBlocks blocks(group, [&](size_t begin) {
    ++judged;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return result_of(begin);
  });
  blocks.open(kTen);
  for (auto begin = kTen.first; begin < kTen.end; begin += kTen.step)
    EXPECT_EQ(blocks.take(begin), result_of(begin));
  blocks.close();
  other.join();
}

TEST(SharedBlocks, AreJudgedOnceAndTakenInOrder) {
  std::atomic<int> own = 0, others = 0;
  take_all(
      [&](ProcessGroup& group) {
        group.set("joined", "1");
        SharedBlocks blocks(group, [&](size_t begin) {
          ++others;
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
          return result_of(begin);
        });
        blocks.work(never);
      },
      own);
  EXPECT_EQ(own + others, 10);
  EXPECT_GT(own, 0);
  EXPECT_GT(others, 0);
}

TEST(SharedBlocks, RankZeroJudgesTheBlockOfAProcessThatLeaves) {
  std::atomic<int> own = 0, others = 0;
  take_all(
      [&](ProcessGroup& group) {
        group.set("joined", "1");
        bool left = false;
        SharedBlocks blocks(group, [&](size_t begin) {
          left = ++others == 2;
          return result_of(begin);
        });
        blocks.work([&] { return left; });  // the second block is claimed, and has no result
      },
      own);
  EXPECT_EQ(others, 2);
  EXPECT_EQ(own, 9);
}

TEST(SharedBlocks, EndWhenRankZeroClosesThem) {
  ProcessGroup group(place(0, 0));
  std::atomic<int> judged = 0;
  std::thread other([&] {
    ProcessGroup second(place(1, group.place().port));
    SharedBlocks blocks(second, [&](size_t begin) {
      ++judged;
      second.set("started", "1");
      second.wait("go on", 0);
      return result_of(begin);
    });
    blocks.work(never);
  });
  SharedBlocks blocks(group, result_of);
  blocks.open(kTen);
  group.wait("started", 1);
  blocks.close();
  group.set("go on", "1");
  other.join();
  EXPECT_EQ(judged, 1);
}

}  // namespace
}  // namespace emend
