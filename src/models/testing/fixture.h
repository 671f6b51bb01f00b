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

// A folder of testdata: a small random model that transformers saved, with values that transformers
// computed (tools/reference/models/make_*_fixtures.py).
struct Fixture {
  std::string folder;
  nlohmann::json config;
  Checkpoint checkpoint;
  std::shared_ptr<const SafetensorsFile> expected;

  static Fixture open(const std::string& name);  // for example `blip2/plain`
  bool has(const std::string& key) const { return expected->tensors().count(key) > 0; }
  bool has_case(const std::string& name) const { return has(name + "/input_ids"); }
  // The cases of the fixture.
  std::vector<std::string> cases(const std::vector<std::string>& names) const;
  // A copy of `CASE/NAME`.
  at::Tensor tensor(const std::string& key) const { return expected->tensor(key).clone(); }
  PromptLayout layout() const { return architecture_of(config).layout; }
  // The first case with gradients and all supported inputs: pictures and text, or only text.
  std::string main_case() const { return has_case("image_right") ? "image_right" : "text_right"; }
  // The rows of a case, without padding, with image tokens in either prompt layout.
  Batch batch(const std::string& name) const;
};

std::vector<std::string> all_fixtures();
std::vector<std::string> blip2_fixtures();
std::vector<std::string> pictured_fixtures();  // of vision-language models
// A fixture's name as part of a test name, for INSTANTIATE_TEST_SUITE_P.
std::string test_name(const ::testing::TestParamInfo<std::string>& info);

// Called with a tensor before the model gets it; returns the tensor for the model.
using WeightHook = std::function<at::Tensor(const std::string& name, const at::Tensor& stored)>;
std::unique_ptr<Model> load(const Fixture& fixture, at::ScalarType dtype = at::kFloat);
// Makes the model of `config` from the fixture's tensors.
std::unique_ptr<Model> load(const Fixture& fixture, const Architecture& config,
                            const WeightHook& hook);

// max |actual - expected| / max |expected|; infinite if shapes differ or a value is not finite.
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
// The largest error: `what: error > allowed`.
std::string worst(const Differences& differences);

}  // namespace emend::fixtures
