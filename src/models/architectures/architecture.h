#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/core/loading/weights.h"
#include "models/core/model.h"
#include "models/prompting/prompt_layout.h"

namespace emend {

// A parsed config.json. An architecture is a function that parses a config.json and is in the list
// of architecture.cpp.
struct Architecture {
  std::string canonical;  // all fields as text; equal for equivalent configurations
  NameMap names = identity_name;
  // Converts the architecture's name of a module to its path in the classes of transformers 5.
  NameMap module_path = identity_name;
  // Redundant tensors that files can contain, such as a tied head.
  std::vector<std::string> tied_weights;
  PromptLayout layout;
  std::function<std::unique_ptr<Model>(Weights&)> make_model;
};

// Selects the architecture by `architectures`, or by `model_type` if that is absent. Throws
// emend::Error if it is not implemented, or if a field is malformed or has a value that is not
// implemented.
Architecture architecture_of(const nlohmann::json& config);
// The same for FOLDER/config.json, whose path is in errors.
Architecture architecture_of_folder(const std::string& folder);

}  // namespace emend
