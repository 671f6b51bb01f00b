#include "suites/suite.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "suites/facts/counterfact.h"
#include "suites/mmedit/mmedit.h"
#include "suites/scenes/suite.h"

namespace emend {

std::unique_ptr<Suite> open_suite(const std::string& name, const SuiteOptions& options) {
  auto names = suite_names();
  if (std::find(names.begin(), names.end(), name) == names.end())
    throw Error("suites::suite", fmt::format("unknown suite '{}'", name),
                fmt::format("use one of: {}", fmt::join(names, ", ")));
  if (name == "scenes") return open_scenes(options);
  const auto facts = counterfact_suite_names();
  if (std::find(facts.begin(), facts.end(), name) != facts.end())
    return open_counterfact(name, options);
  return open_mmedit(name, options);
}

std::vector<std::string> suite_names() {
  std::vector<std::string> names = {"scenes", "e-vqa", "e-ic", "vlkeb", "mmedit-json"};
  for (auto& name : counterfact_suite_names()) names.push_back(name);
  return names;
}

}  // namespace emend
