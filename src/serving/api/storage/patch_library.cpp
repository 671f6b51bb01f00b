#include "serving/api/storage/patch_library.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "io/error.h"
#include "io/log.h"
#include "serving/api/storage/patch_listing.h"
#include "serving/api_error.h"
#include "serving/plain_name.h"

namespace emend {
namespace {

constexpr const char* kBase = "base";

// Size and time of a file.
void add_file_facts(const std::string& path, nlohmann::json& facts) {
  struct stat status {};
  const bool known = ::stat(path.c_str(), &status) == 0;
  facts["bytes"] = known ? nlohmann::json(status.st_size) : nlohmann::json();
  facts["created"] = known ? nlohmann::json(status.st_mtime) : nlohmann::json();
}

void sync_folder_of(const std::string& path) {
  const auto folder = path.substr(0, path.rfind('/'));
  const int opened = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (opened < 0) return;
  (void)::fsync(opened);
  ::close(opened);
}

}  // namespace

PatchLibrary::PatchLibrary(const Vlm& vlm, ModelNames& models, const Workspace* workspace)
    : vlm_(vlm), models_(models), workspace_(workspace) {
  if (!workspace_) return;
  for (const auto& name : workspace_->patch_names()) {
    const auto path = workspace_->patch_file(name);
    try {
      patches_[name] = listed(name, path, load_patch(path));
    } catch (const Error& error) {
      const auto problem = problem_of(error);
      logger().warn("the patch '{}' of the workspace is not used: {}", name, problem);
      auto& damaged = patches_[name] = Listed{path};
      damaged.facts = patch_summary({});
      damaged.problem = problem;
    }
  }
  read_stack();
  for (const auto& warning : warnings_) logger().warn("{}", warning);
}

void PatchLibrary::read_stack() {
  std::string problem;
  for (const auto& name : workspace_->read_stack(problem)) {
    const auto found = patches_.find(name);
    if (found == patches_.end())
      warnings_.push_back(
          fmt::format("The patch '{}' was active, but it is not in the workspace.", name));
    else if (!found->second.problem.empty())
      warnings_.push_back(fmt::format("The patch '{}' was active, but it cannot be used. {}", name,
                                      found->second.problem));
    else
      stack_.push_back(name);
  }
  if (!problem.empty()) warnings_.push_back(problem);
}

PatchLibrary::Listed PatchLibrary::listed(const std::string& name, const std::string& path,
                                          Patch patch) {
  Listed listed{path};
  listed.facts = patch_summary(patch);
  listed.details = patch_details(patch);
  models_.add(name, std::move(patch));
  return listed;
}

void PatchLibrary::add_file(const std::string& name, const std::string& path, Patch patch) {
  const std::lock_guard lock(mutex_);
  if (patches_.count(name)) ModelNames::refuse_duplicate(name);
  auto added = listed(name, path, std::move(patch));
  added.in_workspace = false;
  patches_[name] = std::move(added);
}

bool PatchLibrary::save(const std::string& name, const Patch& patch, bool activate) {
  Listed listed{workspace_->patch_file(name)};
  listed.facts = patch_summary(patch);
  listed.details = patch_details(patch);
  {
    PatchStack check;
    check.apply(vlm_, patch);  // throws before a file is written
  }
  save_patch(listed.path, patch);
  models_.add(name, patch);
  const std::lock_guard lock(mutex_);
  patches_[name] = std::move(listed);
  if (!activate) return false;
  auto names = stack_;
  names.push_back(name);
  try {
    model_name_of(names);
  } catch (const ApiError& error) {
    logger().warn("the patch '{}' is not active: {}", name, error.what());
    return false;
  }
  workspace_->save_stack(names);
  stack_ = std::move(names);
  return true;
}

void PatchLibrary::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto& patch = find(name);
  if (!patch.in_workspace)
    throw ApiError(403, "permission_error",
                   fmt::format("the patch '{}' is not in the workspace; start the server without "
                               "--patch to leave it out",
                               name));
  // First the stack, so that it never names a file that is gone.
  if (auto names = stack_; std::erase(names, name) > 0) {
    workspace_->save_stack(names);
    stack_ = std::move(names);
  }
  models_.remove(name);
  if (::unlink(patch.path.c_str()) != 0 && errno != ENOENT)
    throw Error("serving::patches", fmt::format("'{}' cannot be removed", patch.path),
                "check the permissions of its folder");
  sync_folder_of(patch.path);
  patches_.erase(name);
}

void PatchLibrary::reserve(const std::string& name) {
  if (!is_plain_name(name)) refuse_request("name", kPlainNameRule);
  if (name == kBase)
    refuse_request("name", "'name' must not be 'base', which is the unedited model");
  const std::lock_guard lock(mutex_);
  if (patches_.count(name) || !reserved_.insert(name).second)
    throw ApiError(409, "conflict_error", fmt::format("there is a patch '{}' already", name),
                   "name");
}

std::string PatchLibrary::reserve_like(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return *reserved_.insert(next_free_name(name)).first;
}

std::string PatchLibrary::free_name(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return next_free_name(name);
}

std::string PatchLibrary::next_free_name(const std::string& name) const {
  for (int i = 1;; ++i) {
    auto free = i == 1 ? name : fmt::format("{}-{}", name, i);
    if (free != kBase && !patches_.count(free) && !reserved_.count(free)) return free;
  }
}

void PatchLibrary::release(const std::string& name) {
  const std::lock_guard lock(mutex_);
  reserved_.erase(name);
}

std::vector<std::string> PatchLibrary::stack() const {
  const std::lock_guard lock(mutex_);
  return stack_;
}

void PatchLibrary::set_stack(const std::vector<std::string>& names) {
  const std::lock_guard lock(mutex_);
  model_name_of(names);
  workspace_->save_stack(names);
  stack_ = names;
}

std::string PatchLibrary::model_name(const std::vector<std::string>& names) const {
  const std::lock_guard lock(mutex_);
  return model_name_of(names);
}

std::string PatchLibrary::model_name_of(const std::vector<std::string>& names) const {
  std::string model = kBase;
  for (const auto& name : names) {
    if (!is_plain_name(name))
      refuse_request("patches",
                     fmt::format("'{}' is not the name of a patch", name.substr(0, 100)));
    if (const auto found = patches_.find(name);
        found != patches_.end() && !found->second.problem.empty())
      refuse_request("patches", fmt::format("the patch '{}' cannot be used: {}", name,
                                            found->second.problem));
    model += "+" + name;
  }
  try {
    models_.find(model);
  } catch (const ApiError& error) {
    refuse_request("patches", error.what());
  }
  return model;
}

const PatchLibrary::Listed& PatchLibrary::find(const std::string& name) const {
  const auto found = patches_.find(name);
  if (found == patches_.end())
    throw ApiError(404, "not_found_error",
                   fmt::format("there is no patch '{}'", name.substr(0, 100)));
  return found->second;
}

nlohmann::json PatchLibrary::json(const std::string& name, const Listed& patch) const {
  auto object = patch.facts;
  object["name"] = name;
  object["active"] = std::find(stack_.begin(), stack_.end(), name) != stack_.end();
  object["workspace"] = patch.in_workspace;
  add_file_facts(patch.path, object);
  if (!patch.problem.empty()) object["problem"] = patch.problem;
  return object;
}

nlohmann::json PatchLibrary::list() const {
  const std::lock_guard lock(mutex_);
  auto all = nlohmann::json::array();
  for (const auto& [name, patch] : patches_) all.push_back(json(name, patch));
  return {{"stack", stack_}, {"patches", all}, {"warnings", warnings_}};
}

nlohmann::json PatchLibrary::describe(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto& patch = find(name);
  auto object = json(name, patch);
  object.update(patch.details);
  return object;
}

std::string PatchLibrary::file(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return find(name).path;
}

}  // namespace emend
