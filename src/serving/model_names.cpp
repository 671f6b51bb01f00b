#include "serving/model_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "io/error.h"
#include "serving/api_error.h"
#include "serving/plain_name.h"

namespace emend {
namespace {

constexpr size_t kKeptStacks = 32;
const std::string kBaseName = "base";

}  // namespace

void ModelNames::check_name(const std::string& name) {
  if (!is_plain_name(name))
    throw Error("serving::models", fmt::format("'{}' is not a name for a patch", name),
                "use letters, digits, '-', '_' and '.': --patch NAME=FILE");
  if (name == kBaseName)
    throw Error("serving::models",
                "a patch cannot have the name 'base', which is the unedited model",
                "give it another name: --patch NAME=FILE");
}

void ModelNames::refuse_duplicate(const std::string& name) {
  throw Error("serving::models", fmt::format("two patches have the name '{}'", name),
              "give them names: --patch NAME=FILE");
}

void ModelNames::add(const std::string& name, Patch patch) {
  check_name(name);
  PatchStack stack;
  stack.apply(vlm_, patch);  // checks that it fits
  const std::lock_guard lock(mutex_);
  if (!patches_.emplace(name, std::move(patch)).second) refuse_duplicate(name);
}

void ModelNames::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  patches_.erase(name);
  std::erase_if(stacks_, [&](const auto& entry) {
    return (entry.first + "+").find("+" + name + "+") != std::string::npos;
  });
}

std::vector<std::string> ModelNames::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names = {kBaseName};
  for (const auto& [name, patch] : patches_) names.push_back(kBaseName + "+" + name);
  return names;
}

std::shared_ptr<const PatchStack> ModelNames::find(const std::string& model) {
  const std::lock_guard lock(mutex_);
  const auto same = [&](const auto& entry) { return entry.first == model; };
  if (auto found = std::find_if(stacks_.begin(), stacks_.end(), same); found != stacks_.end()) {
    std::rotate(stacks_.begin(), found, found + 1);
    return stacks_.front().second;
  }
  const auto unknown = [&](const std::string& why) {
    std::vector<std::string> names;
    for (const auto& [name, patch] : patches_) names.push_back(name);
    throw ApiError(
        404, "not_found_error",
        fmt::format("{}; the patches are: {}. Model names are 'base', 'base+PATCH' and "
                    "'base+PATCH+PATCH'",
                    why, names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))),
        "model");
  };
  if (!model.starts_with(kBaseName) ||
      (model.size() > kBaseName.size() && model[kBaseName.size()] != '+'))
    unknown(fmt::format("there is no model '{}'", model.substr(0, 200)));
  auto stack = std::make_shared<PatchStack>();
  std::map<std::string, std::string> names;  // of the patches in the stack, by their ids
  for (size_t begin = kBaseName.size(); begin < model.size();) {
    const auto end = std::min(model.find('+', begin + 1), model.size());
    const auto name = model.substr(begin + 1, end - begin - 1);
    const auto patch = patches_.find(name);
    if (patch == patches_.end())
      unknown(fmt::format("there is no patch '{}'", name.substr(0, 200)));
    const auto [other, added] = names.emplace(patch->second.id, name);
    if (!added)
      unknown(other->second == name
                  ? fmt::format("the patch '{}' is named twice", name)
                  : fmt::format("'{}' and '{}' are the same patch", other->second, name));
    try {
      stack->apply(vlm_, patch->second);
    } catch (const Error& error) {
      unknown(fmt::format("the patch '{}' cannot be added to the patches before it: {}", name,
                          problem_of(error)));
    }
    begin = end;
  }
  stacks_.insert(stacks_.begin(), {model, stack});
  if (stacks_.size() > kKeptStacks) stacks_.pop_back();
  return stack;
}

}  // namespace emend
