#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "io/progress.h"

namespace emend::cli {

// Shows progress on stderr: a line for each part of a job, and a bar for the steps of an edit and
// for many probes. EMEND_LOG=warn or error turns it off.
class EditProgress {
 public:
  void part(const std::string& name);
  void step(int64_t step, int64_t steps, double loss);
  // Ends the bar of an edit with its outcome: "holds after 15 steps".
  void edited(const nlohmann::json& effect);
  // Shows the number of measured probes. Their total is unknown.
  void probes(int64_t done);
  // Ends the bar, so that other lines can follow.
  void finish() { bar_.reset(); }

 private:
  std::unique_ptr<Progress> bar_;
  int64_t last_ = 0;
};

}  // namespace emend::cli
