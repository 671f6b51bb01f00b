#include "cli/commands/edit/progress.h"

#include <fmt/format.h>

#include "io/log.h"
#include "io/strings/counted.h"

namespace emend::cli {

void EditProgress::part(const std::string& name) {
  finish();
  logger().info("{}", name);
}

void EditProgress::step(int64_t step, int64_t steps, double loss) {
  if (!logger().should_log(spdlog::level::info)) return;
  if (!bar_ || step < last_) {
    ProgressOptions options;
    options.seconds_between_lines = 5;
    bar_.reset();
    bar_ = std::make_unique<Progress>("editing, step", steps, 0, options);
  }
  last_ = step;
  bar_->note(fmt::format("loss {:.3g}", loss));
  bar_->set(step);
}

void EditProgress::edited(const nlohmann::json& effect) {
  if (bar_)
    bar_->finish(fmt::format("editing: {} after {}",
                             effect.value("holds", false) ? "holds" : "does not hold",
                             counted(effect.value("steps", last_), "step")));
  finish();
}

void EditProgress::probes(int64_t done) {
  if (!logger().should_log(spdlog::level::info)) return;
  if (!bar_) {
    ProgressOptions options;
    options.seconds_between_lines = 5;
    bar_ = std::make_unique<Progress>("measuring, probes", 0, 0, options);
  }
  bar_->set(done);
}

}  // namespace emend::cli
