#include "evaluation/edits/report/suggestions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "editing/registry.h"
#include "editing/targets/target_modules.h"
#include "editing/training/checkpoint.h"
#include "io/error.h"

namespace emend {
namespace {

using nlohmann::json;

// Whether a checkpoint of the editor fits its settings and the model. Throws emend::Error if there
// is none.
bool has_checkpoint(const Vlm& vlm, const std::string& editor, const json& settings) {
  const auto module = settings.value("module", std::string());
  const auto given = settings.value("checkpoint", std::string());
  const auto found =
      describe_checkpoint(given.empty() ? find_checkpoint(vlm, editor, module) : given);
  return found.editor == editor && found.base == vlm.fingerprint() && found.settings.is_object() &&
         canonical_module(found.settings.value("module", module)) == module;
}

class Suggestions {
 public:
  Suggestions(const EditReport& report, const EditVerdict& edit)
      : report_(report), patch_(report.outcome.patch), edit_(edit) {
    const auto& edits = report.job.edits;
    pictures_ = std::all_of(edits.begin(), edits.end(),
                            [](const EditJob::Edit& one) { return one.question.image.present(); });
    batch_ = edits.size() > 1 && !report.job.sequential;
    for (const auto& change : report.job.base->interventions(report.vlm))
      rewritten_ |= change.point == Point::request;
  }

  std::vector<std::string> all() {
    if (patch_.settings.is_object()) {
      if (has("clamp_norm_factor"))
        add_value_settings();
      else
        add_tuning();
      add_rounds();
      if (patch_.editor == "ike" && number("k") > 0)
        add_setting("ike.k=0", "the fact alone, without demonstrations");
      add_module();
    }
    for (const char* editor : {"lora", "ft", "mend-iterated"})
      if (patch_.editor != editor) add_editor(editor);
    return all_;
  }

 private:
  bool has(const char* setting) const { return patch_.settings.contains(setting); }
  double number(const char* setting) const { return patch_.settings.value(setting, 0.0); }

  // Settings of editors that optimize (ft, lora).
  void add_tuning() {
    if (!has("steps") || !has("lr")) return;
    const auto stopped = edit_.effect.value("stop_reason", std::string());
    const bool adaptive = patch_.settings.value("adaptive", false);
    const bool holds = edit_.effect.value("holds", false);
    if (holds && !patch_.settings.value("end_of_answer", true)) add_setting("end_of_answer=true");
    if (holds && number("stop_loss") > 0) {
      // The loss reached its goal, so that more steps would change nothing.
      add_setting(fmt::format("stop_loss={:g}", number("stop_loss") / 10));
    } else if (stopped != "no_progress" && stopped != "diverged") {
      add_setting(fmt::format("steps={}", std::max<int64_t>(50, 4 * int64_t(number("steps")))));
    }
    if (adaptive || number("lr") <= 0) return;
    add_setting(
        fmt::format("lr={:g}", stopped == "diverged" ? number("lr") / 4 : number("lr") * 4));
    add_setting("adaptive=true", "adapts the learning rate");
  }

  // Settings of editors that optimize a value and solve for the change (rome, memit, alphaedit).
  void add_value_settings() {
    const auto values = edit_.effect.value("values", json::array());
    if (!values.is_array() || values.empty()) return;
    double limit = 0;  // of the largest value that reached its limit
    bool unfinished = false, change = false;
    for (const auto& value : values) {
      change |= value.contains("disturbance");
      if (value.value("clamped", false))
        limit = std::max(limit, value.value("disturbance", value.value("relative_norm", 0.0)));
      unfinished |= value.value("stop_reason", std::string()) == "step_limit";
    }
    if (limit > 0)
      add_setting(fmt::format("clamp_norm_factor={:.2g}", 2 * limit), "allows a larger offset");
    if (unfinished)
      add_setting(fmt::format("steps={}", std::max<int64_t>(50, 4 * int64_t(number("steps")))));
    else if (number("stop_loss") > 0)
      add_setting(fmt::format("stop_loss={:g}", number("stop_loss") / 10));
    // The value gives the answer, but the solve applies only a part of it.
    for (const char* weight : {"update_weight", "l2"})
      if (number(weight) > 0)
        add_setting(fmt::format("{}={:g}", weight, number(weight) / 10),
                    "preserves other inputs less");
    const auto keys = patch_.settings.value("keys", std::string());
    // With keys=auto, single edits without a picture have tried this.
    if (keys == "mean" || (keys == "auto" && !change && (pictures_ || batch_)))
      add_setting("keys=contexts", "each context template has its own key");
  }

  // Settings of mend-iterated.
  void add_rounds() {
    if (!has("rounds")) return;
    if (edit_.effect.value("holds", false))
      add_setting(fmt::format("until={:g}", number("until") / 10));
    else
      add_setting(fmt::format("rounds={}", std::max<int64_t>(50, 4 * int64_t(number("rounds")))));
  }

  void add_setting(const std::string& setting, const std::string& note = {}) {
    auto changed = report_.choice;
    changed.settings.push_back(setting);
    if (possible(changed)) add("--set " + setting, {note});
  }

  // The language module or the connector, whichever was not edited.
  void add_module() {
    const auto& choice = report_.choice;
    if (!has("module") || patch_.settings.value("sites", std::string()) != "" ||
        !choice.sites.empty() || !choice.hparams.empty())
      return;
    const std::string other = patch_.settings["module"] == "language" ? "connector" : "language";
    auto changed = choice;
    const auto colon = choice.editor.find(':');
    if (colon == std::string::npos) {
      changed.module = other;
      add_without(changed, "--module " + other, {});
    } else {
      changed.editor = choice.editor.substr(0, colon + 1) + other;
      add_without(changed, "--editor " + changed.editor, {});
    }
  }

  void add_editor(const std::string& name) {
    auto changed = report_.choice;
    changed.editor = name;
    std::vector<std::string> notes;
    if (!changed.hparams.empty()) notes.push_back("instead of --hparams");
    changed.hparams.clear();
    add_without(changed, "--editor " + name, notes);
  }

  // Adds the option, and leaves out as few of the other options as possible.
  void add_without(const EditorChoice& choice, const std::string& option,
                   const std::vector<std::string>& notes) {
    const bool by_module = option.starts_with("--module");
    for (int drop : {0b000, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110, 0b111}) {
      auto changed = choice;
      auto said = notes;
      const auto leave_out = [&](int bit, auto& values, const char* name) {
        if (!(drop & bit)) return true;
        if (values.empty()) return false;  // the same options as without this bit
        values.clear();
        said.push_back(fmt::format("without {}", name));
        return true;
      };
      if ((by_module && (drop & 0b001)) || !leave_out(0b001, changed.module, "--module") ||
          !leave_out(0b010, changed.settings, "--set") ||
          !leave_out(0b100, changed.sites, "--sites"))
        continue;
      if (!possible(changed)) continue;
      add(option, said);
      return;
    }
  }

  // Whether an edit with these arguments can be made.
  bool possible(const EditorChoice& choice) const {
    try {
      const auto spec = chosen_editor(choice);
      const auto kind = editor_info(spec.name);
      const auto editor = make_editor(spec.name, spec.settings);
      const auto settings = editor->settings();
      const auto module = settings.value("module", std::string());
      if ((rewritten_ && !kind.recall) || (kind.needs_pictures && !pictures_)) return false;
      const bool by_sites = settings.value("sites", std::string()) != "";
      // A change in front of the language model reaches the answer only through a picture.
      if (kind.has_setting("module") && !kind.recall && !by_sites && module != "language" &&
          !pictures_)
        return false;
      if (!kind.recall) editor->first_stage(*report_.vlm.model);  // throws if it has no such layer
      const bool same = spec.name == patch_.editor && patch_.settings.is_object() &&
                        patch_.settings.value("module", module) == module;
      return same || !kind.has_setting("checkpoint") ||
             has_checkpoint(report_.vlm, spec.name, settings);
    } catch (const Error&) {
      return false;
    }
  }

  void add(const std::string& option, std::vector<std::string> notes) {
    std::erase(notes, "");
    all_.push_back(notes.empty() ? option
                                 : fmt::format("{}   ({})", option, fmt::join(notes, ", ")));
  }

  const EditReport& report_;
  const Patch& patch_;
  const EditVerdict& edit_;
  bool pictures_ = false;   // every edit is about a picture
  bool batch_ = false;      // several edits in one solve
  bool rewritten_ = false;  // an earlier patch rewrites requests, so gradients cannot be computed
  std::vector<std::string> all_;
};

}  // namespace

std::vector<std::string> suggestions(const EditReport& report, const EditVerdict& edit) {
  return Suggestions(report, edit).all();
}

}  // namespace emend
