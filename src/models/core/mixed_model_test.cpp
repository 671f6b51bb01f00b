#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "io/cpu.h"
#include "models/architectures/architecture.h"
#include "models/caching/prefix.h"
#include "models/config/json_fields.h"
#include "models/testing/thread_guard.h"
#include "nn/loss.h"
#include "tests/stored_folder.h"
#include "tests/tiny_models.h"

namespace emend {
namespace {

// Folders stored in 16 bits, computed in float32, for each architecture and dtype.
class MixedModel : public ::testing::TestWithParam<std::tuple<testing::TinyModel, at::ScalarType>> {
 protected:
  ThreadGuard threads_{1};

  MixedModel() {
    const auto& [tiny, dtype] = GetParam();
    tiny.write(temporary_ / "wide", 3);
    testing::copy_folder(temporary_ / "wide", folder(), dtype);
    checkpoint_ = std::make_unique<Checkpoint>(Checkpoint::open(folder()));
    Weights weights(*checkpoint_, at::kFloat);
    weights.keep_16_bits();
    const auto config = read_json_object(folder() + "/config.json");
    mixed_ = architecture_of(config).make_model(weights);
    upcast_ = load_vlm(folder(), {at::kFloat, at::kCPU});
  }
  std::string folder() const { return temporary_ / "stored"; }
  Batch batch() const {
    const auto& p = upcast_.processor;
    Batch batch;
    if (std::get<0>(GetParam()).sees) {
      const Tiles picture{p.pixels(*testing::noise_image(1)).unsqueeze(0)};
      batch.pixels = picture.pixels;
      batch.rows.push_back(p.row("What is this?", {{0, &picture}}));
    }
    batch.rows.push_back(p.row("Where does Bo live?"));
    return batch;
  }
  static at::Tensor logits(const Model& model, const Batch& batch, const Interventions& changes) {
    auto pass = model.collate(batch);
    model.run(pass, changes);
    return pass.logits();
  }
  static double error(const at::Tensor& actual, const at::Tensor& expected) {
    return ((actual - expected).abs().max() / expected.abs().max()).item<double>();
  }

  TemporaryFolder temporary_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Model> mixed_;
  Vlm upcast_;
};
INSTANTIATE_TEST_SUITE_P(All, MixedModel,
                         ::testing::Combine(::testing::ValuesIn(testing::kTinyModels),
                                            ::testing::Values(at::kBFloat16, at::kHalf)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) == at::kHalf ? "Fp16" : "Bf16");
                         });

// The only difference is the order of float32 sums.
TEST_P(MixedModel, LogitsAgreeWithTheUpcastModel) {
  at::NoGradGuard no_grad;
  const auto ours = logits(*mixed_, batch(), {});
  EXPECT_EQ(mixed_->dtype(), at::kFloat);
  EXPECT_EQ(ours.scalar_type(), at::kFloat);
  EXPECT_LT(error(ours, logits(*upcast_.model, batch(), {})), 1e-4);
  const GenerationOptions options{.max_new_tokens = 5};
  EXPECT_EQ(generate_tokens(*mixed_, batch(), {}, {}, options),
            generate_tokens(*upcast_.model, batch(), {}, {}, options));
}

TEST_P(MixedModel, GradientsAgreeWithTheUpcastModel) {
  const auto gradient = [&](const Model& model) {
    const auto& site = model.sites().front();
    auto change = Intervention::weight(
        site.name, {at::zeros({site.out, site.in}).requires_grad_(true), {}, {}});
    const auto y = logits(model, batch(), {change});
    const auto labels = y.argmin(-1);
    return torch::autograd::grad({answer_loss(y, labels)}, {change.delta.dense})[0];
  };
  EXPECT_LT(error(gradient(*mixed_), gradient(*upcast_.model)), 1e-3);
}

// Every matrix is in the mapped file; the converted tensors are small.
TEST_P(MixedModel, MatricesStayMapped) {
  const auto dtype = std::get<1>(GetParam());
  for (const auto& site : mixed_->sites()) {
    const auto weight = mixed_->weight(site);
    EXPECT_EQ(weight.scalar_type(), dtype) << site.name;
    const auto stored = checkpoint_->names();
    const bool mapped = std::any_of(stored.begin(), stored.end(), [&](const auto& name) {
      return checkpoint_->tensor(name).data_ptr() == weight.data_ptr();
    });
    EXPECT_TRUE(mapped) << site.name << " was copied";
  }
  EXPECT_EQ(mixed_->word_embeddings().scalar_type(), dtype);
  for (const auto& [name, tensor] : mixed_->parameters()) {
    const bool bulky = tensor.dim() == 2 && name.find("position_embedding") == std::string::npos;
    EXPECT_FALSE(bulky && tensor.scalar_type() == at::kFloat) << name;
  }
}

TEST_P(MixedModel, IsTheAutomaticChoice) {
  const auto dtype = std::get<1>(GetParam());
  const auto vlm = load_vlm(folder(), {std::nullopt, at::kCPU});
  EXPECT_EQ(vlm.stored_dtype, dtype);
  const bool fast = dtype == at::kBFloat16 && bf16_is_fast();
  EXPECT_EQ(vlm.model->dtype(), fast ? at::kBFloat16 : at::kFloat);
  EXPECT_EQ(vlm.model->weight(vlm.model->sites().back()).scalar_type(), dtype);
  EXPECT_EQ(vlm.precision.keeps_16_bits(), !fast);
  EXPECT_EQ(vlm.fingerprint(), upcast_.fingerprint());
  EXPECT_NE(store_key(vlm, "x"), store_key(upcast_, "x"));
}

}  // namespace
}  // namespace emend
