#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "editing/patches/patch.h"
#include "models/caching/activation_store.h"
#include "suites/record.h"

namespace emend {

// A request to change one answer of a model.
struct EditRequest {
  Picture image;             // may be absent
  std::string prompt;        // the formatted prompt
  std::string target;        // includes the leading space
  std::string before = {};   // the answer of the unedited model, if known
  std::string subject = {};  // the words of the prompt that the fact is about, if known
  std::string fact = {};     // Record::fact
};

// The state in which an edit is made.
struct EditContext {
  using Progress = std::function<void(int64_t step, int64_t steps, double loss)>;

  Interventions base;                  // earlier edits that stay applied
  std::vector<SiteKeys> history = {};  // the keys of these edits
  ActivationStore* store = nullptr;    // shared activations; null: each call computes its own
  Progress on_step = {};  // called after each step with the step and the maximum number of steps
};

// Turns requests into a patch. An editor uses stages and sites, is independent of the architecture,
// and never writes a base weight.
class Editor {
 public:
  virtual ~Editor() = default;
  virtual std::string name() const = 0;
  virtual nlohmann::json settings() const = 0;
  // The first stage that the editor's patches change; 0 is the request. What runs before this stage
  // can be shared.
  virtual size_t first_stage(const Model& model) const = 0;
  // Several requests are one batch edit. Throws emend::Error if the edit is not possible.
  virtual Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                     const EditContext& context = {}) const = 0;
};

// `settings` has documented settings of the editor. Throws emend::Error if a key is unknown.
std::unique_ptr<Editor> make_editor(const std::string& name, const nlohmann::json& settings);
std::vector<std::string> editor_names();

// An editor as users select it: `name[:module]`, for example ft:language or lora:connector.
struct EditorSpec {
  std::string label;        // as written; the editor's name in results
  std::string name;         // for example ft
  nlohmann::json settings;  // {"module": "language"} and the settings that were given
};
// Parses a comma-separated list. Throws emend::Error if an editor is unknown or is listed twice,
// also under two names of its module.
std::vector<EditorSpec> parse_editors(const std::string& list);

}  // namespace emend
