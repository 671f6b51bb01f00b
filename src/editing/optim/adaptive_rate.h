#pragma once

#include <cstdint>

namespace emend {

// Adapts an edit's learning rate to its losses, so that one default serves easy and hard targets.
// It shrinks the rate when the loss rises or oscillates and grows it when the loss falls slowly.
class AdaptiveRate {
 public:
  enum class Action {
    proceed,   // take the next step
    back_off,  // return to the weights with the lowest loss, with a smaller rate
    speed_up,  // continue from here with a larger rate
    give_up    // no rate reduces the loss further
  };

  explicit AdaptiveRate(double rate) : first_(rate), rate_(rate) {}

  // `loss` is that of the current weights. It may be infinite or NaN. After back_off and speed_up,
  // the optimizer must be reset, because its moments belong to other gradients.
  Action judge(double loss);
  double rate() const { return rate_; }

 private:
  Action back_off();

  double first_, rate_;
  double best_ = 0, reference_ = 0;  // the lowest loss so far, and that at the start of the window
  int64_t seen_ = 0, window_ = 0;    // number of losses so far, and since the start of the window
  int64_t since_best_ = 0;
};

}  // namespace emend
