// The training of an independent implementation (tools/reference/editors/make_wise_fixture.py).
#include "editing/editors/lifelong/wise_training.h"

#include <gtest/gtest.h>

#include "editing/testing/llama_fixture.h"

namespace emend {
namespace {

class WiseFixture : public ::testing::TestWithParam<std::string>, public testing::LlamaFixture {
 protected:
  WiseFixture() : LlamaFixture("wise.safetensors") {}
  ForcedBatch batch(const std::string& name, int count) const {
    ForcedBatch forced;
    const auto answer = ids("answer");
    for (int i = 0; i < count; ++i) {
      Row row;
      row.ids = ids(name + "." + std::to_string(i));
      row.prompt_length = static_cast<int64_t>(row.ids.size());
      row.ids.insert(row.ids.end(), answer.begin(), answer.end());
      forced.answer_begin.push_back(row.prompt_length);
      forced.answers.push_back(answer);
      forced.width = std::max(forced.width, static_cast<int64_t>(row.ids.size()));
      forced.batch.rows.push_back(std::move(row));
    }
    return forced;
  }
};

TEST_P(WiseFixture, TrainsTheSideCopyAsTheReference) {
  const auto name = GetParam() + "/";
  WiseSettings settings;
  settings.steps = 6;
  settings.stop_loss = 0;
  settings.activation = "mean";
  settings.relative = GetParam() == "relative";
  if (settings.relative) {
    settings.lr = 0.1;
    settings.norm_constraint = 0.3;
    settings.margin_out = 0.02, settings.margin_in = 0.5, settings.margin_gap = 0.2;
  } else {
    settings.lr = 0.05;
    settings.norm_constraint = 0.02;
    settings.margin_out = 0.05, settings.margin_in = 2, settings.margin_gap = 0.5;
  }
  const auto start = tensor(name + "start"), mask = tensor(name + "mask");
  const auto edit = train_side_copy(vlm_, batch("question", 2), batch("unrelated", 3),
                                    vlm_.model->site("model.layers.1.mlp.down_proj"), {start, mask},
                                    settings, {});
  const auto losses = tensor(name + "losses");
  ASSERT_EQ(static_cast<int64_t>(edit.losses.size()), losses.numel());
  for (int64_t i = 0; i < losses.numel(); ++i)
    EXPECT_NEAR(edit.losses[static_cast<size_t>(i)], losses[i].item<double>(), 1e-4) << i;
  const auto change = start.flatten().index_add(0, mask, edit.values).to(at::kDouble);
  const auto expected = tensor(name + "change").flatten();
  // float32 against float64, over 6 steps.
  EXPECT_LT(((change - expected).norm() / expected.norm()).item<double>(), 1e-4);
  EXPECT_NEAR(edit.inside, tensor(name + "activations")[0].item<double>(), 1e-5);
  EXPECT_NEAR(edit.outside, tensor(name + "activations")[1].item<double>(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Cases, WiseFixture, ::testing::Values("absolute", "relative"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace emend
