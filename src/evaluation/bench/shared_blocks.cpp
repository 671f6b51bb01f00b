#include "evaluation/bench/shared_blocks.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "io/log.h"

namespace emend {
namespace {

constexpr auto kBetweenLooks = std::chrono::milliseconds(20);
constexpr const char *kBlocks = "bench/blocks", *kClaims = "bench/claims", *kClosed = "bench/closed";

std::string owner_key(size_t begin) { return fmt::format("bench/owner/{}", begin); }
std::string result_key(size_t begin) { return fmt::format("bench/result/{}", begin); }

}  // namespace

void SharedBlocks::open(const Range& range) {
  range_ = range;
  group_.set(kBlocks, nlohmann::json({range.first, range.end, range.step}).dump());
}

std::optional<size_t> SharedBlocks::claim() {
  const auto number = static_cast<size_t>(group_.add(kClaims, 1) - 1);
  const auto begin = range_.first + number * range_.step;
  if (begin >= range_.end) return std::nullopt;
  group_.set(owner_key(begin), std::to_string(group_.rank()));
  return begin;
}

// Whether the process that claimed the block has ended. It may have ended before it said which one it
// is.
bool SharedBlocks::is_lost(size_t begin, bool all_claimed) {
  if (const auto owner = group_.get(owner_key(begin))) return !group_.alive(std::stoi(*owner));
  if (!all_claimed) return false;
  for (int rank = 1; rank < group_.size(); ++rank)
    if (!group_.alive(rank)) return true;
  return false;
}

nlohmann::json SharedBlocks::take(size_t begin) {
  bool left = true;  // whether blocks may be left to claim
  while (true) {
    if (auto found = own_.extract(begin)) return std::move(found.mapped());
    if (const auto text = group_.get(result_key(begin))) {
      group_.erase(result_key(begin));
      return nlohmann::json::parse(*text);
    }
    if (is_lost(begin, !left)) {
      logger().warn("the process that judged record {} has ended; rank 0 judges it again", begin);
      return judge_(begin);
    }
    if (left) {
      const auto mine = claim();
      left = mine.has_value();
      if (mine) own_[*mine] = judge_(*mine);
    } else {
      std::this_thread::sleep_for(kBetweenLooks);
    }
  }
}

void SharedBlocks::work(const std::function<bool()>& interrupted) {
  const auto range = nlohmann::json::parse(group_.wait(kBlocks, 0));
  range_ = {range.at(0), range.at(1), range.at(2)};
  while (!closed() && !interrupted()) {
    const auto begin = claim();
    if (!begin) return;
    const auto result = judge_(*begin);
    if (interrupted()) return;  // the block is incomplete
    if (!closed())
      group_.set(result_key(*begin),
                 result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
}

void SharedBlocks::close() { group_.set(kClosed, "1"); }

bool SharedBlocks::closed() { return group_.get(kClosed) || group_.failure(0); }

}  // namespace emend
