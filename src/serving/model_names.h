#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "editing/patches/patch_stack.h"

namespace emend {

// Patches by name, and the stacks that model names select: `base` is the unedited model,
// `base+lyon` has the patch `lyon`, `base+lyon+rome` has two in this order. Thread-safe.
class ModelNames {
 public:
  explicit ModelNames(const Vlm& vlm) : vlm_(vlm) {}

  // Throws emend::Error if the name is not plain (is_plain_name), or is `base`.
  static void check_name(const std::string& name);
  // The error of a second patch with the same name.
  [[noreturn]] static void refuse_duplicate(const std::string& name);
  // Throws emend::Error as check_name does, if the name is taken, and if the patch does not fit the
  // model.
  void add(const std::string& name, Patch patch);
  // Forgets the patch. A stack that is in use stays as it is.
  void remove(const std::string& name);
  // The base, and each patch alone.
  std::vector<std::string> list() const;
  // Throws ApiError with status 404 if the name is malformed or names an unknown patch, or the same
  // patch twice, also under two names.
  std::shared_ptr<const PatchStack> find(const std::string& model);

 private:
  const Vlm& vlm_;
  mutable std::mutex mutex_;
  std::map<std::string, Patch> patches_;
  // Stacks that were requested; the least recently requested ones are removed.
  std::vector<std::pair<std::string, std::shared_ptr<const PatchStack>>> stacks_;
};

}  // namespace emend
