#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "editing/patches/patch.h"
#include "models/caching/activation_store.h"
#include "suites/record.h"

namespace emend {

// What an editor is asked to change.
struct EditRequest {
  Picture image;            // may be absent
  std::string prompt;       // as the model is to see it
  std::string target;       // with its leading space
  std::string before = {};  // the model's own answer, where known
};

// What surrounds an edit.
struct EditContext {
  using Progress = std::function<void(int64_t step, int64_t steps, double loss)>;

  Interventions base;                // edits made before, which stay applied
  ActivationStore* store = nullptr;  // shared activations; null: computed here
  Progress on_step = {};             // called after each step, of at most `steps`
};

// Turns requests into a patch. Knows stages and sites, no architecture; never writes a base weight.
class Editor {
 public:
  virtual ~Editor() = default;
  virtual std::string name() const = 0;
  virtual nlohmann::json settings() const = 0;
  // The first stage that its patches change; what runs before it can be shared. 0: the request.
  virtual size_t first_stage(const Model& model) const = 0;
  // Several requests are one batch edit.
  virtual Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
                     const EditContext& context = {}) const = 0;
};

// `settings`: keys of the editor's documented settings; an unknown key is an error that names it.
std::unique_ptr<Editor> make_editor(const std::string& name, const nlohmann::json& settings);
std::vector<std::string> editor_names();

// `name[:module]`, as users choose editors: ft:language, lora:vision.
struct EditorSpec {
  std::string label;        // as written; names the editor in results
  std::string name;         // ft
  nlohmann::json settings;  // {"module": "language"} and whatever was set
};
// A comma-separated list. Throws emend::Error when an editor is unknown or a label comes twice.
std::vector<EditorSpec> parse_editors(const std::string& list);

}  // namespace emend
