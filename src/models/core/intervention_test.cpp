#include "models/core/intervention.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include "io/error.h"
#include "models/core/model.h"
#include "models/testing/fixture.h"
#include "models/testing/thread_guard.h"
#include "nn/loss.h"

namespace emend {
namespace {

using fixtures::Fixture;

const std::string kFc1 = "language_model.model.decoder.layers.0.fc1";
const std::string kVisionFc1 = "vision_model.encoder.layers.0.mlp.fc1";

class InterventionTest : public ::testing::Test {
 protected:
  ThreadGuard threads_{1};

  at::Tensor logits(const Interventions& interventions) const {
    return logits(interventions, batch);
  }
  at::Tensor logits(const Interventions& interventions, const Batch& of) const {
    auto pass = model->collate(of);
    model->run(pass, interventions);
    return pass.logits();
  }
  at::Tensor random_delta(const std::string& site) const {
    at::manual_seed(5);
    return at::randn({model->site(site).out, model->site(site).in});
  }
  static Transform add(double value) {
    return [value](const at::Tensor& x) { return x + value; };
  }
  // Not a constant, which a norm would cancel.
  static Transform square() {
    return [](const at::Tensor& x) { return x * x; };
  }
  // The rows whose logits differ from those of the unedited model in any bit.
  std::vector<int> changed(const Interventions& interventions) const {
    const auto before = logits({}), after = logits(interventions);
    std::vector<int> rows;
    for (int64_t r = 0; r < before.size(0); ++r)
      if (!at::equal(before[r], after[r])) rows.push_back(static_cast<int>(r));
    return rows;
  }

  Fixture fixture = Fixture::open("blip2/plain");
  std::unique_ptr<Model> model = fixtures::load(fixture);
  Batch batch = fixture.batch("image_right");
};

TEST_F(InterventionTest, LayerGetsThePassTheInputAndTheOutputAndChangesRowsInScope) {
  const auto& site = model->site(kFc1);
  int calls = 0;
  const auto layer = Intervention::layer(kFc1, [&](const Pass& pass, const at::Tensor& input,
                                                   const at::Tensor& output) {
    ++calls;
    EXPECT_EQ(pass.prompt_lengths.size(0), 3);
    EXPECT_EQ(input.size(-1), site.in);
    EXPECT_EQ(output.size(-1), site.out);
    EXPECT_LT(
        (at::linear(input, model->weight(site), model->parameters().at(kFc1 + ".bias")) - output)
            .abs()
            .max()
            .item<double>(),
        1e-4);
    return output * output;
  });
  EXPECT_EQ(changed({layer}), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(changed({layer.on_rows({false, true, false})}), std::vector<int>{1});
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(at::equal(logits({layer}), logits({Intervention::output(kFc1, square())})));
}

TEST_F(InterventionTest, MixGetsThePassAndChangesRowsInScope) {
  auto mix = Intervention::logits_mix(nullptr).on_rows({false, true, false});
  mix.mix = [](const Pass& pass, const at::Tensor& logits) {
    EXPECT_TRUE(at::equal(pass.prompt_lengths, pass.mask.sum(1)));  // no teacher-forced answers
    return logits + pass.ids.size(1);
  };
  EXPECT_EQ(changed({mix}), std::vector<int>{1});
  auto partly = batch;
  partly.rows[1].prompt_length = 3;
  EXPECT_EQ(model->collate(partly).prompt_lengths[1].item<int64_t>(), 3);
  partly.rows[1].prompt_length = 1000;
  EXPECT_THROW(model->collate(partly), Error);
}

TEST_F(InterventionTest, EveryPointActsOnlyOnRowsInScope) {
  const std::vector<bool> scope{false, true, false};
  const Interventions each{
      Intervention::input(kFc1, square()).on_rows(scope),
      Intervention::weight(kFc1, {random_delta(kFc1), {}, {}}).on_rows(scope),
      Intervention::output(kFc1, square()).on_rows(scope),
      Intervention::boundary("language.block.1", square()).on_rows(scope),
      Intervention::boundary("language.embed", square()).on_rows(scope),
      Intervention::logits(square()).on_rows(scope),
      Intervention::output("language_model.lm_head", square()).on_rows(scope),
      Intervention::input(kVisionFc1, square()).on_rows(scope),
      Intervention::weight(kVisionFc1, {random_delta(kVisionFc1), {}, {}}).on_rows(scope),
      Intervention::boundary("vision_tower.norm", square()).on_rows(scope),
      Intervention::output("qformer.encoder.layer.0.output_query.dense", square()).on_rows(scope),
      Intervention::boundary("connector.project", square()).on_rows(scope),
  };
  for (const auto& intervention : each)
    EXPECT_THAT(changed({intervention}), ::testing::ElementsAre(1)) << intervention.where;
}

TEST_F(InterventionTest, EmptyScopeChangesNothing) {
  EXPECT_THAT(changed({Intervention::output(kFc1, add(1)).on_rows({false, false, false})}),
              ::testing::IsEmpty());
}

TEST_F(InterventionTest, ScopesApplyAtSelectedPositions) {
  const auto run = [&](const Interventions& interventions) {
    auto pass = model->collate(batch);
    const int64_t length = pass.ids.size(1);
    pass.logit_positions = at::tensor(std::vector<int64_t>{2 * length, 1, length + 1, length + 2});
    model->run(pass, interventions);
    return pass.logits();
  };
  const auto before = run({});
  const std::vector<bool> scope{false, true, false};
  for (const auto& i : {Intervention::logits(add(1)).on_rows(scope),
                        Intervention::output("language_model.lm_head", add(1)).on_rows(scope)}) {
    const auto after = run({i});
    EXPECT_TRUE(at::equal(after.slice(0, 0, 2), before.slice(0, 0, 2)));
    EXPECT_TRUE(at::allclose(after.slice(0, 2), before.slice(0, 2) + 1));
  }
}

TEST_F(InterventionTest, RunInOrder) {
  const auto both = [&](Transform first, Transform second) {
    return logits(
        {Intervention::logits(std::move(first)), Intervention::logits(std::move(second))});
  };
  const Transform twice = [](const at::Tensor& x) { return x * 2; };
  EXPECT_TRUE(at::equal(both(add(1), twice), (logits({}) + 1) * 2));
  EXPECT_TRUE(at::equal(both(twice, add(1)), logits({}) * 2 + 1));
}

TEST_F(InterventionTest, RejectsImagesOfRowsInAndOutOfScope) {
  auto shared = batch;
  shared.rows[1].images = {0};
  const Interventions vision{
      Intervention::output(kVisionFc1, add(1)).on_rows({true, false, false})};
  EXPECT_THROW(logits(vision, shared), Error);
  // In the language blocks the rows are apart again.
  EXPECT_NO_THROW(
      logits({Intervention::output(kFc1, add(1)).on_rows({true, false, false})}, shared));
}

TEST_F(InterventionTest, RequestsRewriteRowsInScope) {
  const auto insert = Intervention::request([](const Batch& old) {
                        auto made = old;
                        for (auto& row : made.rows) row.ids.push_back(7);
                        return made;
                      }).on_rows({false, true, false});
  const auto made = apply_requests(batch, {insert, insert});
  EXPECT_EQ(made.rows[0].ids, batch.rows[0].ids);
  EXPECT_EQ(made.rows[1].ids.size(), batch.rows[1].ids.size() + 2);
  EXPECT_EQ(made.rows[1].ids.back(), 7);
  Intervention drop = insert;
  drop.rewrite = [](const Batch& old) { return Batch{old.pixels, {old.rows[0]}}; };
  EXPECT_THROW(apply_requests(batch, {drop}), Error);
}

TEST_F(InterventionTest, FirstChangedStage) {
  const auto first = [&](Interventions i) { return first_changed_stage(*model, i); };
  EXPECT_EQ(first({}), model->stages().size());
  EXPECT_EQ(first({Intervention::logits(add(1))}), model->stage("language.head"));
  EXPECT_EQ(first({Intervention::boundary("language.embed", add(1)),
                   Intervention::weight(kFc1, WeightDelta{})}),
            model->stage("language.embed"));
  EXPECT_EQ(first({Intervention::weight(kFc1, WeightDelta{})}), model->stage("language.block.0"));
  EXPECT_EQ(first({Intervention::weight("language_projection", WeightDelta{})}),
            model->stage("connector.project"));
  EXPECT_EQ(first({Intervention::input(kVisionFc1, nullptr)}),
            model->stage("vision_tower.block.0"));
  EXPECT_EQ(first({Intervention::request(nullptr)}), 0u);
}

// The stages before the first changed stage have equal outputs, but the outputs of that stage
// differ.
TEST_F(InterventionTest, FirstChangedStageIsTheFirstThatDiffers) {
  at::NoGradGuard no_grad;
  for (const auto& site : model->sites()) {
    at::manual_seed(2);
    const Interventions edit{
        Intervention::weight(site.name, {at::randn({site.out, site.in}), {}, {}})};
    const size_t first = first_changed_stage(*model, edit);
    auto plain = model->collate(batch), edited = model->collate(batch);
    for (size_t i = 0; i <= first; ++i) {
      model->run(plain, i);
      model->run(edited, i, edit);
      EXPECT_EQ(at::equal(plain.hidden, edited.hidden), i < first) << site.name << " " << i;
    }
  }
}

TEST_F(InterventionTest, ObserversGetInputsAndOutputGradients) {
  const auto& site = model->site(kFc1);
  at::Tensor input, gradient;
  auto delta = at::zeros({site.out, site.in}).requires_grad_(true);
  const Interventions watch{
      Intervention::input(kFc1, [&](const at::Tensor& x) { return input = x; }),
      Intervention::weight(kFc1, {delta, {}, {}}),
      Intervention::output(kFc1, [&](const at::Tensor& y) {
        y.register_hook([&](const at::Tensor& g) { gradient = g; });
        return y;
      })};
  auto pass = model->collate(batch);
  model->run(pass, watch);
  const auto loss =
      answer_loss(pass.logits().index({pass.mask}), fixture.tensor("image_right/targets"));
  const auto of_delta = torch::autograd::grad({loss}, {delta})[0];
  const auto outer =
      // The gradient of the weight, which MEND uses.
      at::matmul(gradient.flatten(0, 1).t(), input.flatten(0, 1));
  EXPECT_LT(fixtures::relative_error(of_delta, outer), 1e-5);
  EXPECT_LT(
      fixtures::relative_error(of_delta, fixture.tensor("image_right/grad." + kFc1 + ".weight")),
      1e-4);
}

TEST_F(InterventionTest, BoundaryMixGetsThePassAndTheOutputOfTheStage) {
  int calls = 0;
  const auto mix = [&](const Pass& pass, const at::Tensor& output) {
    ++calls;
    EXPECT_TRUE(pass.prompt_lengths.defined());
    EXPECT_TRUE(pass.hidden.is_same(output));
    return output * output;
  };
  const auto mixed = Intervention::boundary_mix("language.block.1", mix);
  EXPECT_EQ(first_changed_stage(*model, {mixed}), model->stage("language.block.1"));
  EXPECT_TRUE(
      at::equal(logits({mixed}), logits({Intervention::boundary("language.block.1", square())})));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(changed({mixed.on_rows({false, true, false})}), std::vector<int>{1});
}

TEST_F(InterventionTest, RejectsUnknownPlacesAndWrongShapes) {
  EXPECT_THROW(logits({Intervention::weight(kFc1, {at::zeros({3, 3}), {}, {}})}), Error);
  EXPECT_THROW(logits({Intervention::weight(kFc1, WeightDelta{})}), Error);
  EXPECT_THROW(logits({Intervention::output(kFc1, nullptr)}), Error);
  EXPECT_THROW(logits({Intervention::output("no.such.site", add(1))}), Error);
  EXPECT_THROW(logits({Intervention::boundary("language.block.9", add(1))}), Error);
  EXPECT_THROW(logits({Intervention::output(kFc1, add(1)).on_rows({true})}), Error);
}

}  // namespace
}  // namespace emend
