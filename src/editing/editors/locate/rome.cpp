#include "editing/editors/editors.h"
#include "editing/editors/locate/locating_editor.h"
#include "editing/editors/locate/solve/closed_form.h"

namespace emend {
namespace {

// ROME [arXiv 2202.05262]: one layer, one edit, solved with equality. variant=average is R-ROME
// [arXiv 2403.07175].
struct RomeSettings {
  std::string variant = "average";
  LocateSettings locate;

  void declare(SettingList& list) {
    list.choice("variant", variant, {"average", "original"},
                "average: the mean key over the context templates everywhere (R-ROME); original: "
                "as published, with the key of the bare prompt in the denominator");
    locate.declare(list);
  }
};

class RomeEditor : public LocatingEditor {
 public:
  explicit RomeEditor(const nlohmann::json& given)
      : settings_(read_settings<RomeSettings>("rome", given)) {}
  std::string name() const override { return "rome"; }
  nlohmann::json settings() const override { return settings_json(settings_); }

 protected:
  size_t default_layer_count() const override { return 1; }
  const LocateSettings& locate_settings() const override { return settings_.locate; }
  WeightDelta update(const SiteUpdate& update, const Covariance* covariance,
                     nlohmann::json&) const override {
    const auto solved = covariance ? covariance->solve(update.keys) : update.keys;
    const bool original = settings_.variant == "original";
    return equality_update(original ? update.bare_keys : update.keys, solved, update.residuals);
  }
  bool solves_batches() const override { return false; }
  bool keeps_keys() const override { return false; }
  at::Tensor key_weights(int64_t contexts) const override {
    return at::full({contexts}, 1.0 / static_cast<double>(contexts));
  }
  bool corrects_mean_output() const override { return settings_.variant == "average"; }

 private:
  RomeSettings settings_;
};

}  // namespace

EditorInfo rome_editor() {
  EditorInfo info = {
      "rome",
      "writes one fact into one feed-forward layer in closed form (low-rank patch)",
      describe_settings<RomeSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<RomeEditor>(given); },
      {},
      with_common_departures(
          {"The key is averaged over the context templates everywhere, as in R-ROME; "
           "variant=original is the published algorithm.",
           "5 generated prefixes are used instead of 20. A question with a picture has altered "
           "pictures as context templates instead.",
           "The covariance has a ridge, and weighs text and image positions separately."})};
  info.without_effect = [](const nlohmann::json& given) {
    const auto settings = read_settings<RomeSettings>("rome", given);
    auto sentences = settings_without_effect(given, settings.locate);
    if (given.contains("value_batch") && settings.locate.where.module == "language")
      sentences.push_back("value_batch has no effect: rome makes edits one by one");
    return sentences;
  };
  return info;
}

}  // namespace emend
