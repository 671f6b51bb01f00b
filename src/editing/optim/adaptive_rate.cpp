#include "editing/optim/adaptive_rate.h"

#include <algorithm>
#include <cmath>

namespace emend {
namespace {

constexpr double kRise = 0.5;  // nats per token above the lowest loss that count as a rise
// Number of losses without a new lowest one that count as an oscillation.
constexpr int64_t kPatience = 6;
constexpr int64_t kWindow = 8;  // number of losses that measure progress
// Progress is slow if more than this share of the loss remains after a window.
constexpr double kSlow = 0.9;
constexpr double kFactor = 2;           // factor of every change of the rate
constexpr double kLargest = 16;         // maximum rate, relative to the initial rate
constexpr double kSmallestRate = 1e-4;  // minimum rate, relative to the initial rate

}  // namespace

AdaptiveRate::Action AdaptiveRate::back_off() {
  rate_ /= kFactor;
  since_best_ = window_ = 0;
  reference_ = best_;
  return rate_ < first_ * kSmallestRate ? Action::give_up : Action::back_off;
}

AdaptiveRate::Action AdaptiveRate::judge(double loss) {
  if (seen_++ == 0) {
    best_ = reference_ = loss;
    return Action::proceed;
  }
  if (!std::isfinite(loss) || loss > best_ + std::max(kRise, best_ * kRise)) return back_off();
  if (loss < best_) {
    best_ = loss;
    since_best_ = 0;
  } else if (++since_best_ >= kPatience) {
    return back_off();
  }
  if (++window_ < kWindow) return Action::proceed;
  const bool slow = best_ > kSlow * reference_;
  window_ = 0;
  reference_ = best_;
  if (!slow || rate_ * kFactor > first_ * kLargest) return Action::proceed;
  rate_ *= kFactor;
  return Action::speed_up;
}

}  // namespace emend
