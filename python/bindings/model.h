#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "convert.h"
#include "editing/patches/patch_stack.h"
#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend::python {

using Patches = std::vector<std::shared_ptr<Patch>>;

// An open model. Calls from several threads run one after another.
class OpenModel {
 public:
  OpenModel(const std::string& folder, const std::optional<std::string>& dtype,
            const std::string& device, bool chat_template);

  // Releases the GIL and locks the model. Throws emend::Error in a function that the model calls.
  class Call {
   public:
    explicit Call(OpenModel& model);
    Call(const Call&) = delete;
    ~Call();

    Vlm& vlm() { return model_.vlm_; }
    ActivationStore& store() { return model_.store_; }
    // The stack of the last call is kept, because sums of patches take time.
    const PatchStack& stack(const Patches& patches);

   private:
    OpenModel& model_;
    py::gil_scoped_release released_;  // before the lock, whose holder may need the GIL
    std::unique_lock<std::recursive_mutex> lock_;
    Processor::Bos bos_;
  };

  const Vlm& vlm() const { return vlm_; }
  // The fields of every JSON result of the program: version, threads, device, dtype, ...
  nlohmann::json run_facts(int64_t seed) const;

 private:
  Vlm vlm_;
  bool chat_template_;
  ActivationStore store_;
  std::recursive_mutex mutex_;
  bool busy_ = false;
  Patches stacked_;
  PatchStack stack_;
};

// Each function adds its part to the module.
void bind_model(py::module_& module);
void bind_patch(py::module_& module);
void bind_edit(py::module_& module);
void bind_export(py::module_& module);
void bind_suites(py::module_& module);
void bind_trace(py::module_& module);

}  // namespace emend::python
