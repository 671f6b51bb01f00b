#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "io/tensors/safetensors.h"
#include "models/architectures/architecture.h"

namespace emend::fixtures {

// A folder of testdata: a small random model as transformers writes it, with what transformers
// computes (tools/reference/make_*_fixtures.py).
struct Fixture {
  std::string folder;
  nlohmann::json config;
  Checkpoint checkpoint;
  std::shared_ptr<const SafetensorsFile> expected;

  static Fixture open(const std::string& name);  // `blip2/plain`
  bool has(const std::string& key) const { return expected->tensors().count(key) > 0; }
  bool has_case(const std::string& name) const { return has(name + "/input_ids"); }
  // Those that the fixture has.
  std::vector<std::string> cases(const std::vector<std::string>& names) const;
  // `CASE/NAME`, an own copy.
  at::Tensor tensor(const std::string& key) const { return expected->tensor(key).clone(); }
  PromptLayout layout() const { return architecture_of(config).layout; }
  // The first case that shows the model all it can see, with gradients: of pictures, or of text.
  std::string main_case() const { return has_case("image_right") ? "image_right" : "text_right"; }
  // The case's rows: padding removed, slots where the picture goes, in either prompt layout.
  Batch batch(const std::string& name) const;
};

std::vector<std::string> all_fixtures();
std::vector<std::string> blip2_fixtures();
std::vector<std::string> pictured_fixtures();  // of models that see
// For INSTANTIATE_TEST_SUITE_P: a fixture's name as part of a test's.
std::string test_name(const ::testing::TestParamInfo<std::string>& info);

// Hears of a tensor before the model gets it, and returns what the model is to get.
using WeightHook = std::function<at::Tensor(const std::string& name, const at::Tensor& stored)>;
std::unique_ptr<Model> load(const Fixture& fixture, at::ScalarType dtype = at::kFloat);
// The model that `config` asks for, of the fixture's tensors.
std::unique_ptr<Model> load(const Fixture& fixture, const Architecture& config,
                            const WeightHook& hook);

// max |actual - expected| / max |expected|; infinite where shapes differ or anything is not finite.
double relative_error(const at::Tensor& actual, const at::Tensor& expected);

struct Difference {
  std::string what;
  double error;
  double allowed;
};
using Differences = std::vector<Difference>;

constexpr double kStageTolerance = 1e-5;
constexpr double kLogitsTolerance = 1e-4;
constexpr double kGradientTolerance = 1e-4;

// Runs the case stage by stage and compares each stage that the fixture has.
Differences compare_stages(const Model& model, const Fixture& fixture, const std::string& name,
                           PadSide pad = PadSide::right, const Interventions& interventions = {});
// Gradients of the answer loss with respect to the parameters, and to a zero delta at each site.
Differences compare_gradients(const Model& model, const Fixture& fixture);

// The comparison that both the fixture test and the mutation test use.
bool within(const Differences& differences);
// The worst `what: error > allowed`.
std::string worst(const Differences& differences);

}  // namespace emend::fixtures
