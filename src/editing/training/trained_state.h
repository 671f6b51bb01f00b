#pragma once

#include <memory>
#include <string>
#include <utility>

#include "models/vlm.h"

namespace emend {

// The networks of a trained editor. A training gives them, or they are read from a checkpoint at
// the first use, and again for another model.
template <typename State>
class TrainedState {
 public:
  TrainedState() = default;
  explicit TrainedState(std::shared_ptr<const State> state)
      : state_(std::move(state)), fixed_(true) {}

  // load(base): std::shared_ptr<const State>, for the model with this fingerprint.
  template <typename Load>
  const State& of(const Vlm& vlm, const Load& load) const {
    if (fixed_) return *state_;
    const auto base = vlm.fingerprint();
    if (!state_ || base_ != base) {
      state_ = load(base);
      base_ = base;
    }
    return *state_;
  }
  // The networks that were last used; null: none yet.
  const State* known() const { return state_.get(); }

 private:
  mutable std::shared_ptr<const State> state_;
  mutable std::string base_;
  bool fixed_ = false;
};

}  // namespace emend
