#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/core/model.h"
#include "models/core/weights.h"
#include "models/prompting/prompt_layout.h"

namespace emend {

// What a config.json asks for, understood. An architecture is one function that makes this from a
// config.json; it stands in architecture.cpp's list.
struct Architecture {
  std::string canonical;  // every field as text: equal for configurations that mean the same
  NameMap names = same_name;
  std::vector<std::string> repeated;  // tensors that say nothing new: a tied head saved once more
  PromptLayout layout;
  std::function<std::unique_ptr<Model>(Weights&)> make_model;
};

// By `architectures`, or `model_type` where that is absent. Throws emend::Error when it is not
// implemented, or a field is malformed or asks for something that is not.
Architecture architecture_of(const nlohmann::json& config);

}  // namespace emend
