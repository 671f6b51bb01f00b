// Updates and values of an independent implementation
// (tools/reference/editors/make_lifelong_fixture.py).
#include <gtest/gtest.h>

#include "editing/editors/lifelong/grace.h"
#include "editing/editors/lifelong/ultraedit.h"
#include "editing/testing/llama_fixture.h"
#include "editing/training/gradient_factors.h"

namespace emend {
namespace {

const std::vector<std::string> kLifelongSites = {
    "model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj", "model.layers.1.mlp.up_proj"};

class LifelongFixture : public ::testing::Test, public testing::LlamaFixture {
 protected:
  LifelongFixture() : LlamaFixture("lifelong.safetensors") {}
  // Edits of a batch, with their answers.
  ForcedBatch forced(int batch, int first, int last) const {
    ForcedBatch all;
    for (int edit = first; edit <= last; ++edit) {
      const auto name = std::to_string(batch) + "/" + std::to_string(edit) + "/";
      Row row;
      row.ids = ids(name + "question");
      row.prompt_length = static_cast<int64_t>(row.ids.size());
      all.answers.push_back(ids(name + "answer"));
      all.answer_begin.push_back(row.prompt_length);
      row.ids.insert(row.ids.end(), all.answers.back().begin(), all.answers.back().end());
      all.width = std::max(all.width, static_cast<int64_t>(row.ids.size()));
      all.batch.rows.push_back(std::move(row));
    }
    return all;
  }
  SiteKeys keys(int batch, const std::string& site) const {
    const auto name = std::to_string(batch) + "/" + site;
    return {site, tensor(name + ".keys"), tensor(name + ".gradients")};
  }
  static double error(const at::Tensor& actual, const at::Tensor& expected) {
    return ((actual.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
  }
};

TEST_F(LifelongFixture, KeysAndGradientsAtTheAnswers) {
  std::vector<Site> sites;
  for (const auto& name : kLifelongSites) sites.push_back(vlm_.model->site(name));
  for (int batch = 0; batch < 2; ++batch) {
    const auto edits = forced(batch, 0, 1);
    const auto factors =
        edit_factors(*vlm_.model, vlm_.model->collate(edits.batch), edits, sites, {});
    const auto positions = answer_positions(edits);
    for (size_t i = 0; i < sites.size(); ++i) {
      const auto rows = [&](const at::Tensor& all) {
        return all.flatten(0, 1).index_select(0, positions);
      };
      const auto expected = keys(batch, sites[i].name);
      EXPECT_LT(error(rows(factors.sites[i].input), expected.keys), 1e-5);
      EXPECT_LT(error(rows(factors.sites[i].gradient), expected.gradients), 1e-5);
    }
  }
}

TEST_F(LifelongFixture, UpdatesOfUltraEdit) {
  for (const double prior : {0, 8})
    for (int batch = 0; batch < 2; ++batch)
      for (const auto& shape : {std::vector<size_t>{0, 1}, std::vector<size_t>{2}}) {
        std::vector<SiteKeys> seen, own;
        for (int earlier = 0; earlier <= batch; ++earlier)
          for (const auto i : shape) seen.push_back(keys(earlier, kLifelongSites[i]));
        for (const auto i : shape) own.push_back(keys(batch, kLifelongSites[i]));
        const auto wanted = target_outputs(seen, own, prior);
        for (size_t i = 0; i < own.size(); ++i) {
          const auto change = ridge_update(own[i].keys, wanted[i]);
          EXPECT_EQ(change.down.size(0), own[i].keys.size(0));
          EXPECT_LT(error(at::matmul(change.up, change.down),
                          tensor(std::to_string(batch) + "/" + own[i].site +
                                 (prior > 0 ? ".prior" : ".published"))),
                    1e-6)
              << own[i].site << " " << prior << " " << batch;
        }
      }
}

TEST_F(LifelongFixture, KeyAndValueOfGrace) {
  GraceSettings settings;
  settings.steps = 12;
  settings.lr = 0.05;
  settings.stop_loss = 0;
  for (const std::string replacement : {"prompt", "last"}) {
    settings.codebook.replacement = replacement;
    const auto found = optimize_codebook_value(vlm_, forced(0, 1, 1),
                                               vlm_.model->site(kLifelongSites[0]), settings, {});
    EXPECT_LT(error(found.key.squeeze(0), tensor("grace/key")), 1e-5);
    EXPECT_LT(error(found.value.view(-1), tensor("grace/" + replacement + ".value")), 1e-4);
    EXPECT_EQ(found.steps(), 12);
    const auto losses = tensor("grace/" + replacement + ".losses");
    ASSERT_EQ(static_cast<int64_t>(found.losses.size()), losses.numel() + 1);
    for (int64_t i = 0; i < losses.numel(); ++i)
      EXPECT_NEAR(found.losses[static_cast<size_t>(i) + 1], losses[i].item<double>(), 1e-4) << i;
  }
}

}  // namespace
}  // namespace emend
