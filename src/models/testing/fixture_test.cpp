#include "models/testing/fixture.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/config/json_fields.h"
#include "nn/loss.h"

namespace emend::fixtures {
namespace {

// The name of a stage in the fixture.
std::string fixture_name(const Stage& stage) {
  return stage.name == "language.head" ? "logits" : stage.name;
}

// The states of all pictures, one after another: (sum of P, D).
at::Tensor without_padding(const Pass& pass) {
  std::vector<at::Tensor> states;
  for (int64_t i = 0; i < pass.hidden.size(0); ++i)
    states.push_back(pass.picture_lengths.empty()
                         ? pass.hidden[i]
                         : pass.hidden[i].narrow(0, 0, pass.picture_lengths[i]));
  return at::cat(states);
}

}  // namespace

std::vector<std::string> blip2_fixtures() {
  return {"blip2/plain", "blip2/postnorm", "blip2/untied", "blip2/odd", "blip2/older"};
}

std::vector<std::string> pictured_fixtures() {
  auto all = blip2_fixtures();
  for (const char* name :
       {"llava/plain", "llava/full", "llava/layers", "llava/siglip", "minigpt4/plain",
        "smolvlm/plain", "smolvlm/tiles", "resnet_llama/plain", "qwen_vl/second",
        "qwen_vl/second_older", "qwen_vl/second_5", "qwen_vl/second_5_windows", "qwen_vl/third",
        "qwen_vl/third_deep", "llava_anyres/next", "llava_anyres/next_layers",
        "llava_anyres/onevision"})
    all.push_back(name);
  return all;
}

std::vector<std::string> all_fixtures() {
  auto all = pictured_fixtures();
  for (const char* name :
       {"llama/gqa", "llama/linear", "llama/biased", "llama/mistral", "llama/qwen2", "llama/qwen3"})
    all.push_back(name);
  return all;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  auto name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

Fixture Fixture::open(const std::string& name) {
  const auto folder = std::string(EMEND_SOURCE_DIR "/src/models/testdata/") + name;
  return {folder, read_json_object(folder + "/config.json"), Checkpoint::open(folder),
          SafetensorsFile::open(folder + "/expected.safetensors")};
}

std::vector<std::string> Fixture::cases(const std::vector<std::string>& names) const {
  std::vector<std::string> found;
  std::copy_if(names.begin(), names.end(), std::back_inserter(found),
               [this](const std::string& name) { return has_case(name); });
  return found;
}

Batch Fixture::batch(const std::string& name) const {
  const auto ids = tensor(name + "/input_ids");
  const auto mask = tensor(name + "/attention_mask").to(at::kBool);
  const bool text = name.starts_with("text");
  const auto layout = this->layout();
  const int64_t placeholder = layout.image_token.value_or(-1);
  Batch batch;
  const bool own = has(name + "/pixel_values") || has(name + "/pixels.0");
  const auto source = own ? name : std::string("image_right");
  const auto picture = [&](int64_t i) { return fmt::format("{}/pixels.{}", source, i); };
  if (!text && has(source + "/pixel_values")) batch.pixels = tensor(source + "/pixel_values");
  // Pictures of different sizes are stored one by one.
  if (!text)
    for (int64_t i = 0; has(picture(i)); ++i) batch.pixels.append(tensor(picture(i)).unsqueeze(0));
  int64_t image = 0;
  for (int64_t r = 0; r < ids.size(0); ++r) {
    Row row;
    // Without image tokens in the ids, the queries are before the text.
    const bool placed = ids.eq(kImageToken).any().item<bool>();
    if (!text && placeholder < 0 && layout.pictures_first && !placed)
      row.ids.assign(layout.num_image_tokens, kImageToken);
    const auto real = ids[r].masked_select(mask[r]);
    for (int64_t i = 0; i < real.size(0); ++i) {
      const auto id = real[i].item<int64_t>();
      row.ids.push_back(id == placeholder ? kImageToken : id);
    }
    auto image_tokens = std::count(row.ids.begin(), row.ids.end(), kImageToken);
    while (image_tokens > 0) {
      image_tokens -=
          layout.image_tokens ? layout.image_tokens(batch.pixels[image]) : layout.num_image_tokens;
      row.images.push_back(image++);
    }
    batch.rows.push_back(std::move(row));
  }
  return batch;
}

std::unique_ptr<Model> load(const Fixture& fixture, at::ScalarType dtype) {
  Weights weights(fixture.checkpoint, dtype);
  return architecture_of(fixture.config).make_model(weights);
}

std::unique_ptr<Model> load(const Fixture& fixture, const Architecture& config,
                            const WeightHook& hook) {
  std::map<std::string, std::string> stored;
  for (const auto& name : fixture.checkpoint.names()) stored[config.names(name)] = name;
  Weights weights(
      [&](const std::string& name, at::IntArrayRef) {
        return hook(name, fixture.checkpoint.tensor(stored.at(name)).to(at::kFloat).clone());
      },
      at::kFloat);
  return config.make_model(weights);
}

double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (!actual.defined() || actual.sizes() != expected.sizes()) return kInfinite;
  const auto wide = expected.to(at::kDouble);
  const double error =
      ((actual.detach().to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
  return std::isfinite(error) ? error : kInfinite;
}

Differences compare_stages(const Model& model, const Fixture& fixture, const std::string& name,
                           PadSide pad, const Interventions& interventions) {
  at::NoGradGuard no_grad;
  Differences differences;
  auto pass = model.collate(fixture.batch(name), pad);
  for (size_t i = 0; i < model.stages().size(); ++i) {
    const auto& stage = model.stages()[i];
    model.run(pass, i, interventions);
    const auto key = name + "/" + fixture_name(stage);
    if (!fixture.has(key)) continue;
    auto flow = pass.hidden;
    if (stage.module == Module::language)
      flow = flow.index({pass.mask});
    else if (fixture.has(name + "/pixels.0"))
      flow = without_padding(pass);
    const double allowed = stage.name == "language.head" ? kLogitsTolerance : kStageTolerance;
    differences.push_back({key, relative_error(flow, fixture.tensor(key)), allowed});
  }
  return differences;
}

Differences compare_gradients(const Model& model, const Fixture& fixture) {
  const auto main = fixture.main_case();
  const auto prefix = main + "/grad.";
  std::vector<std::string> names;
  std::vector<at::Tensor> wanted;
  for (const auto& [key, info] : fixture.expected->tensors())
    if (key.starts_with(prefix)) names.push_back(key.substr(prefix.size()));
  for (const auto& name : names) wanted.push_back(model.parameters().at(name));
  for (auto& parameter : wanted) parameter.requires_grad_(true);

  Interventions deltas;
  const size_t parameters = names.size();
  for (const auto& site : model.sites()) {
    const auto parameter = site.name + ".weight";
    if (!fixture.has(prefix + parameter)) continue;
    auto zero = at::zeros({site.out, site.in}).requires_grad_(true);
    deltas.push_back(Intervention::weight(site.name, {zero, {}, {}}));
    names.push_back(parameter);
    wanted.push_back(zero);
  }

  auto pass = model.collate(fixture.batch(main));
  model.run(pass, deltas);
  const auto loss =
      answer_loss(pass.logits().index({pass.mask}), fixture.tensor(main + "/targets"));
  const auto gradients = torch::autograd::grad({loss}, wanted);
  for (size_t i = 0; i < parameters; ++i) wanted[i].requires_grad_(false);

  Differences differences{
      {"loss", relative_error(loss.reshape({1}), fixture.tensor(main + "/loss")), kStageTolerance}};
  for (size_t i = 0; i < names.size(); ++i)
    differences.push_back({(i < parameters ? "gradient of " : "gradient of a delta of ") + names[i],
                           relative_error(gradients[i], fixture.tensor(prefix + names[i])),
                           kGradientTolerance});
  return differences;
}

bool within(const Differences& differences) {
  if (differences.empty()) return false;  // a comparison of nothing does not pass
  for (const auto& d : differences)
    if (!(d.error <= d.allowed)) return false;
  return true;
}

std::string worst(const Differences& differences) {
  const Difference* found = nullptr;
  for (const auto& d : differences)
    if (!found || d.error / d.allowed > found->error / found->allowed) found = &d;
  if (!found) return "nothing was compared";
  return fmt::format("{}: {:.2e} (allowed {:.0e}), {} compared", found->what, found->error,
                     found->allowed, differences.size());
}

// Tests of the comparison itself.
TEST(Comparison, MeasuresTheLargestErrorRelativeToTheLargestValue) {
  const auto expected = at::tensor({1.0, -4.0, 2.0});
  EXPECT_DOUBLE_EQ(relative_error(expected, expected), 0);
  EXPECT_DOUBLE_EQ(relative_error(at::tensor({1.0, -4.0, 1.0}), expected), 0.25);
}

TEST(Comparison, RejectsOtherShapesAndNaN) {
  const auto expected = at::tensor({1.0, 2.0});
  EXPECT_TRUE(std::isinf(relative_error(at::tensor({1.0}), expected)));
  EXPECT_TRUE(std::isinf(relative_error(at::tensor({1.0, std::nan("")}), expected)));
  EXPECT_TRUE(std::isinf(relative_error({}, expected)));
}

TEST(Comparison, FailsIfNothingWasCompared) {
  EXPECT_FALSE(within({}));
  EXPECT_TRUE(within({{"a", 1e-6, 1e-5}}));
  EXPECT_FALSE(within({{"a", 1e-6, 1e-5}, {"b", 2e-5, 1e-5}}));
}

}  // namespace emend::fixtures
