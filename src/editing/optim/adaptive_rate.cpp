#include "editing/optim/adaptive_rate.h"

#include <algorithm>
#include <cmath>

namespace emend {
namespace {

constexpr double kRise = 0.5;           // nats a token above the lowest loss that are a rise
constexpr int64_t kPatience = 6;        // losses without a new lowest one that are an oscillation
constexpr int64_t kWindow = 8;          // number of losses by which slow progress is judged
constexpr double kSlow = 0.9;           // share of the loss that may be left after a window
constexpr double kFactor = 2;           // of every change
constexpr double kLargest = 16;         // times the first rate
constexpr double kSmallestRate = 1e-4;  // times the first rate

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
