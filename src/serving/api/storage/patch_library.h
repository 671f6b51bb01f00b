#pragma once

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "serving/api/storage/workspace.h"
#include "serving/model_names.h"

namespace emend {

// The patches of a server, of the workspace and of other files, and the active stack. Every patch
// that can be read is a part of model names. Thread-safe.
class PatchLibrary {
 public:
  // Reads the patches and the stack of the workspace, which may be null. A patch that cannot be
  // read is listed with a problem.
  PatchLibrary(const Vlm& vlm, ModelNames& models, const Workspace* workspace);

  // Adds a patch outside of the workspace, which was read from `path`. Throws emend::Error as
  // ModelNames::add does.
  void add_file(const std::string& name, const std::string& path, Patch patch);
  // Saves a patch in the workspace under a reserved name. `activate`: adds it to the end of the
  // stack. Returns whether it is active; it is not if it does not fit the active patches.
  bool save(const std::string& name, const Patch& patch, bool activate);
  // Throws ApiError: 404 for an unknown name, 403 for a patch outside of the workspace.
  void remove(const std::string& name);

  // Reserves a name for a patch that will be saved. Throws ApiError with status 400 if it is not
  // plain, and 409 if it is taken.
  void reserve(const std::string& name);
  // The same for free_name(name).
  std::string reserve_like(const std::string& name);
  // `name`, `name-2`, ..., whichever is free.
  std::string free_name(const std::string& name) const;
  void release(const std::string& name);

  std::vector<std::string> stack() const;
  // Throws ApiError with status 400 if the patches are unknown or cannot be combined.
  void set_stack(const std::vector<std::string>& names);
  // The model name of a stack, and of the active one: base+a+b. Throws ApiError with status 400 as
  // set_stack does.
  std::string model_name(const std::vector<std::string>& names) const;
  std::string model_name() const { return model_name(stack()); }

  // {"stack", "patches", "warnings"}; the warnings say what was left out at the start.
  nlohmann::json list() const;
  // One patch with its effect. Throws ApiError with status 404.
  nlohmann::json describe(const std::string& name) const;
  // The file of a patch. Throws ApiError with status 404.
  std::string file(const std::string& name) const;

 private:
  // Private functions need the lock.
  struct Listed {
    std::string path;
    bool in_workspace = true;
    nlohmann::json facts = nlohmann::json::object();  // what a listing shows
    nlohmann::json details = nlohmann::json::object();
    std::string problem = {};
  };

  std::string next_free_name(const std::string& name) const;
  Listed listed(const std::string& name, const std::string& path, Patch patch);
  void read_stack();
  std::string model_name_of(const std::vector<std::string>& names) const;
  const Listed& find(const std::string& name) const;
  nlohmann::json json(const std::string& name, const Listed& patch) const;

  const Vlm& vlm_;
  ModelNames& models_;
  const Workspace* workspace_;
  mutable std::mutex mutex_;
  std::map<std::string, Listed> patches_;
  std::set<std::string> reserved_;
  std::vector<std::string> stack_;
  std::vector<std::string> warnings_;
};

}  // namespace emend
