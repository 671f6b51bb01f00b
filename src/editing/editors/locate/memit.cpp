#include "editing/editors/editors.h"
#include "editing/editors/locate/locating_editor.h"
#include "editing/editors/locate/solve/closed_form.h"

namespace emend {
namespace {

// MEMIT [arXiv 2210.07229]: several layers, a batch of edits in one solve.
struct MemitSettings {
  double update_weight = 200;
  bool history = true;
  LocateSettings locate;

  void declare(SettingList& list) {
    list.number("update_weight", update_weight, 1e-9, 1e12,
                "weight lambda of the covariance against the keys of the edits");
    list.alias("mom2_update_weight", "update_weight");
    list.flag("history", history,
              "also preserve the keys of earlier edits of the stack");
    locate.declare(list);
  }
};

class MemitEditor : public LocatingEditor {
 public:
  explicit MemitEditor(const nlohmann::json& given)
      : settings_(read_settings<MemitSettings>("memit", given)) {}
  std::string name() const override { return "memit"; }
  nlohmann::json settings() const override { return settings_json(settings_); }

 protected:
  const LocateSettings& locate_settings() const override { return settings_.locate; }
  WeightDelta update(const SiteUpdate& update, const Covariance* covariance,
                     nlohmann::json&) const override {
    const KeySolve solve = [&](const at::Tensor& keys) {
      return (covariance ? covariance->solve(keys) : keys) / settings_.update_weight;
    };
    return least_squares_update(solve, settings_.history ? update.history : at::Tensor(),
                                update.keys, update.residuals);
  }

 private:
  MemitSettings settings_;
};

}  // namespace

EditorInfo memit_editor() {
  EditorInfo info = {
      "memit",
      "writes many facts into several feed-forward layers in one solve (low-rank patch)",
      describe_settings<MemitSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<MemitEditor>(given); },
      {},
      with_common_departures(
          {"The keys of earlier edits of a stack are preserved; history=false is the published "
           "algorithm.",
           "The weight of the covariance is smaller than the published 15,000, which applies only "
           "a part of an edit to small models.",
           "A question with a picture has altered pictures as context templates."})};
  info.without_effect = [](const nlohmann::json& given) {
    const auto settings = read_settings<MemitSettings>("memit", given);
    auto sentences = settings_without_effect(given, settings.locate);
    return sentences;
  };
  return info;
}

}  // namespace emend
