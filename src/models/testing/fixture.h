#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/safetensors.h"
#include "models/blip2_config.h"
#include "models/model.h"

namespace emend::fixtures {

// A folder of testdata/blip2: a small random BLIP-2 as transformers writes it, with what
// transformers computes (tools/reference/make_blip2_fixtures.py).
struct Fixture {
  std::string folder;
  Blip2Config config;
  Checkpoint checkpoint;
  std::shared_ptr<const SafetensorsFile> expected;

  static Fixture open(const std::string& name);
  bool has(const std::string& key) const { return expected->tensors().count(key) > 0; }
  bool has_case(const std::string& name) const { return has(name + "/input_ids"); }
  // `CASE/NAME`, an own copy.
  at::Tensor tensor(const std::string& key) const { return expected->tensor(key).clone(); }
  // The case's rows: padding removed, slots where the queries go, in either prompt layout.
  Batch batch(const std::string& name) const;
};

std::vector<std::string> all_fixtures();

// Hears of a tensor before the model gets it, and returns what the model is to get.
using WeightHook = std::function<at::Tensor(const std::string& name, const at::Tensor& stored)>;
std::unique_ptr<Model> load(const Fixture& fixture, at::ScalarType dtype = at::kFloat);
std::unique_ptr<Model> load(const Fixture& fixture, const Blip2Config& config,
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
