#pragma once

#include <memory>
#include <string>
#include <vector>

#include "editing/patch.h"
#include "suites/record.h"

namespace emend {

// What an editor is asked to change.
struct EditRequest {
  Picture image;       // may be absent
  std::string prompt;  // as the model is to see it
  std::string target;  // with its leading space
};

// Turns requests into a patch. Knows stages and sites, no architecture; never writes a base weight.
class Editor {
 public:
  virtual ~Editor() = default;
  virtual std::string name() const = 0;
  virtual nlohmann::json settings() const = 0;
  // Several requests are one batch edit.
  virtual Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests) const = 0;
};

// `settings`: keys of the editor's documented settings; an unknown key is an error that names it.
std::unique_ptr<Editor> make_editor(const std::string& name, const nlohmann::json& settings);
std::vector<std::string> editor_names();

}  // namespace emend
