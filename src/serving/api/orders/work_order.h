#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/error.h"
#include "models/vlm.h"
#include "serving/api/job_table.h"
#include "serving/api/storage/patch_library.h"
#include "serving/api_error.h"
#include "suites/record.h"

namespace emend {

// What edits, traces and exports of a server share.
struct WorkContext {
  const Vlm& vlm;
  ModelNames& models;
  PatchLibrary& library;
  const Workspace* workspace;          // null: none
  std::vector<std::string> arguments;  // of equivalent commands: the options of the model
  nlohmann::json run_facts;            // of reports: version, threads, device, ...
  int64_t seed = 0;
};

// The picture in the field `name`, absent without it. With a workspace, its file is written there,
// and the field of `body` becomes the file's path.
Picture take_picture(const WorkContext& context, nlohmann::json& body, const std::string& name);

// The names in the field "patches"; none: the active stack. Throws ApiError if they are unknown.
std::optional<std::vector<std::string>> take_patches(const WorkContext& context,
                                                     const nlohmann::json& body);
// The stack that the names select when a job begins, and its files for a command.
struct OrderedStack {
  PatchStack stack;
  std::vector<std::string> files;
};
OrderedStack open_stack(const WorkContext& context,
                        const std::optional<std::vector<std::string>>& names);

// NAME=VALUE pairs of the field "settings", an object of numbers, texts, flags and lists of
// numbers.
std::vector<std::string> take_settings(const nlohmann::json& body);

// Calls a function of the library with values of a request. Its emend::Error becomes an ApiError
// with status 400.
template <class Function>
auto with_request_errors(const std::string& param, Function function) {
  try {
    return function();
  } catch (const Error& error) {
    refuse_request(param, without_places(error.what()));
  }
}

}  // namespace emend
