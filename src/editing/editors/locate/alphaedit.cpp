#include <fmt/format.h>

#include <map>
#include <mutex>

#include "editing/editors/editors.h"
#include "editing/editors/locate/locating_editor.h"
#include "editing/editors/locate/solve/closed_form.h"
#include "editing/editors/locate/solve/null_space.h"
#include "io/error.h"

namespace emend {
namespace {

// AlphaEdit [arXiv 2410.02355]: MEMIT whose changes are zero for the directions that have most of
// the energy of the covariance.
struct AlphaEditSettings {
  double null_space_energy = 0;
  double nullspace_threshold = 0;
  double l2 = 1;
  LocateSettings locate;

  void declare(SettingList& list) {
    list.number("null_space_energy", null_space_energy, 0, 1,
                "largest share of the covariance's energy in the null space; 0: automatic, so that "
                "a change disturbs other inputs least");
    list.number("nullspace_threshold", nullspace_threshold, 0, 1e12,
                "eigenvalue below which a direction belongs to the null space, as published; 0: "
                "use null_space_energy");
    list.number("l2", l2, 1e-12, 1e12, "weight of the norm of the change");
    list.alias("L2", "l2");
    locate.declare(list);
  }
};

class AlphaEditEditor : public LocatingEditor {
 public:
  explicit AlphaEditEditor(const nlohmann::json& given)
      : settings_(read_settings<AlphaEditSettings>("alphaedit", given)) {
    if (settings_.locate.statistics == "none")
      throw Error("editing::alphaedit", "alphaedit needs statistics", "remove statistics=none");
  }
  std::string name() const override { return "alphaedit"; }
  nlohmann::json settings() const override { return settings_json(settings_); }

 protected:
  const LocateSettings& locate_settings() const override { return settings_.locate; }
  void prepare(const Site& site, const Covariance* covariance) const override {
    null_space(site, *covariance);
  }
  WeightDelta update(const SiteUpdate& update, const Covariance* covariance,
                     nlohmann::json& facts) const override {
    const auto space = null_space(update.site, *covariance);
    facts["null_space"] = space->dimension;
    facts["null_space_energy"] = space->energy;
    return null_space_update(space->protected_basis, settings_.l2, update.history, update.keys,
                             update.residuals);
  }

 private:
  std::shared_ptr<const NullSpace> null_space(const Site& site,
                                              const Covariance& covariance) const {
    const std::lock_guard lock(mutex_);
    auto& known = null_spaces_[&covariance];
    if (!known)
      known = std::make_shared<const NullSpace>(
          NullSpace::of(site.name, covariance.matrix(),
                        {settings_.null_space_energy, settings_.nullspace_threshold}));
    return known;
  }

  AlphaEditSettings settings_;
  mutable std::mutex mutex_;
  mutable std::map<const Covariance*, std::shared_ptr<const NullSpace>> null_spaces_;
};

}  // namespace

EditorInfo alphaedit_editor() {
  EditorInfo info = {
      "alphaedit",
      "MEMIT with changes in the null space of the layer inputs, which preserve earlier edits "
      "(low-rank patch)",
      describe_settings<AlphaEditSettings>(),
      [](const nlohmann::json& given) { return std::make_unique<AlphaEditEditor>(given); },
      {},
      with_common_departures(
          {"The size of the null space is chosen so that a change disturbs other inputs least, "
           "instead of by an absolute threshold; nullspace_threshold=0.02 is the published choice.",
           "A question with a picture has altered pictures as context templates."})};
  info.without_effect = [](const nlohmann::json& given) {
    const auto settings = read_settings<AlphaEditSettings>("alphaedit", given);
    auto sentences = settings_without_effect(given, settings.locate);
    if (given.contains("null_space_energy") && settings.nullspace_threshold > 0)
      sentences.push_back("null_space_energy has no effect with nullspace_threshold");
    return sentences;
  };
  return info;
}

}  // namespace emend
