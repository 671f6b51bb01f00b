// Values and updates of an independent implementation
// (tools/reference/editors/make_locate_fixture.py).
#include <gtest/gtest.h>

#include "editing/editors/locate/solve/closed_form.h"
#include "editing/editors/locate/solve/null_space.h"
#include "editing/editors/locate/value/optimize_value.h"
#include "editing/testing/llama_fixture.h"
#include "models/caching/prefix.h"

namespace emend {
namespace {

class LocateFixture : public ::testing::Test, public testing::LlamaFixture {
 protected:
  static constexpr const char* kSite = "model.layers.0.mlp.down_proj";

  LocateFixture() : LlamaFixture("locate.safetensors") {}

  // The contexts of an edit, as the script wrote them.
  EditContexts contexts(int edit) const {
    const auto name = std::to_string(edit) + "/";
    const auto list = [&](const std::string& key) {
      const auto values = tensor(name + key);
      const auto* first = values.data_ptr<int64_t>();
      return std::vector<int64_t>(first, first + values.numel());
    };
    EditContexts all;
    const auto answer = list("answer");
    for (int i = 0; i < 3; ++i) {
      Row row;
      row.ids = list("ids." + std::to_string(i));
      row.prompt_length = static_cast<int64_t>(row.ids.size() - answer.size());
      all.forced.answer_begin.push_back(row.prompt_length);
      all.forced.answers.push_back(answer);
      all.forced.width = std::max(all.forced.width, static_cast<int64_t>(row.ids.size()));
      all.forced.batch.rows.push_back(std::move(row));
    }
    all.lookup = list("distance");
    return all;
  }
  // The keys of both edits as columns, with the weights of MEMIT, and their offsets.
  at::Tensor columns() const {
    std::vector<at::Tensor> columns;
    for (int edit = 0; edit < 2; ++edit) {
      const auto keys = tensor(std::to_string(edit) + "/keys");
      columns.push_back(0.5 * keys[0] + 0.25 * (keys[1] + keys[2]));
    }
    return at::stack(columns, 1);
  }
  at::Tensor offsets() const { return at::stack({tensor("0/offset"), tensor("1/offset")}, 1); }

  static double error(const at::Tensor& actual, const at::Tensor& expected) {
    return ((actual.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
  }
  static at::Tensor dense(const WeightDelta& delta) {
    return at::matmul(delta.up.to(at::kDouble), delta.down.to(at::kDouble));
  }
};

TEST_F(LocateFixture, KeysAndOutputsOfTheSite) {
  const auto& site = vlm_.model->site(kSite);
  for (int edit = 0; edit < 2; ++edit) {
    const auto all = contexts(edit);
    const auto pass = forward_until(vlm_, all.forced.batch, site.stage);
    const auto values = read_site(*vlm_.model, pass, all, site, {});
    const auto name = std::to_string(edit) + "/";
    EXPECT_LT(error(values.input.squeeze(1), tensor(name + "keys")), 1e-5);
    EXPECT_LT(error(values.output.squeeze(1), tensor(name + "outputs")), 1e-5);
  }
}

TEST_F(LocateFixture, OptimizedOffsetAndItsLosses) {
  LocateSettings settings;
  settings.steps = 12;
  settings.lr = 0.02;
  settings.weight_decay = 0.1;
  settings.clamp_norm_factor = 1.5;
  settings.stop_loss = 0;
  settings.adaptive = false;
  for (int edit = 0; edit < 2; ++edit) {
    const auto found =
        optimize_values(vlm_, {contexts(edit)}, vlm_.model->site(kSite), settings, {}).front();
    const auto name = std::to_string(edit) + "/";
    // float32 against float64, over 12 steps of Adam.
    EXPECT_LT(error(found.offset.squeeze(0), tensor(name + "offset")), 1e-4);
    const auto losses = tensor(name + "losses");
    ASSERT_EQ(static_cast<int64_t>(found.losses.size()), losses.numel());
    for (int64_t i = 0; i < losses.numel(); ++i)
      EXPECT_NEAR(found.losses[static_cast<size_t>(i)], losses[i].item<double>(), 1e-4) << i;
  }
}

TEST_F(LocateFixture, UpdateOfRome) {
  const auto keys = tensor("0/keys"), outputs = tensor("0/outputs"), offset = tensor("0/offset");
  const auto mean = keys.mean(0).unsqueeze(1), bare = keys[0].unsqueeze(1);
  const auto solved = at::linalg_solve(tensor("covariance"), mean);
  const auto residual = (outputs[0] + offset - outputs.mean(0)).unsqueeze(1);
  EXPECT_LT(error(dense(equality_update(mean, solved, residual)), tensor("rome.average")), 1e-5);
  EXPECT_LT(
      error(dense(equality_update(bare, solved, offset.unsqueeze(1))), tensor("rome.original")),
      1e-5);
}

TEST_F(LocateFixture, UpdatesOfMemitAndAlphaEdit) {
  const auto covariance = tensor("covariance");
  const KeySolve solve = [&](const at::Tensor& x) { return at::linalg_solve(3 * covariance, x); };
  const auto space = NullSpace::of(kSite, covariance, {0.2, 0});
  for (const auto& [name, history] :
       {std::pair{std::string(), at::Tensor()}, {std::string(".history"), tensor("history")}}) {
    EXPECT_LT(error(dense(least_squares_update(solve, history, columns(), offsets())),
                    tensor("memit" + name)),
              1e-5);
    EXPECT_LT(
        error(dense(null_space_update(space.protected_basis, 0.05, history, columns(), offsets())),
              tensor("alphaedit" + name)),
        1e-5);
  }
}

}  // namespace
}  // namespace emend
