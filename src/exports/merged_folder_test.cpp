#include "exports/merged_folder.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "models/prompting/request_batch.h"
#include "tests/tiny_models.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

SiteDelta random_delta(const Vlm& vlm, const std::string& name, bool low_rank, double size) {
  const auto& site = vlm.model->site(name);
  auto generator = at::detail::createCPUGenerator(7);
  const auto options = at::TensorOptions().dtype(at::kFloat);
  if (!low_rank) return {name, {at::randn({site.out, site.in}, generator, options) * size, {}, {}}};
  return {name,
          {{},
           at::randn({site.out, 2}, generator, options) * size,
           at::randn({2, site.in}, generator, options)}};
}

Patch patch_of(const Vlm& vlm, std::vector<SiteDelta> deltas) {
  Patch patch;
  patch.base = vlm.fingerprint();
  patch.editor = "ft";
  patch.deltas = std::move(deltas);
  patch.id = patch_id(patch);
  return patch;
}

class MergedFolderTest : public ::testing::TestWithParam<testing::TinyModel> {
 protected:
  void SetUp() override {
    GetParam().write(folder_.file("base"), 0);
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_.file("base")));
  }

  Batch batch(const Vlm& vlm) const {
    std::vector<Query> queries = {{std::nullopt, "What is this?"}};
    if (GetParam().sees) queries.push_back({*testing::noise_image(3), "What is this?"});
    return request_batch(vlm, queries, {});
  }
  at::Tensor logits(const Vlm& vlm, const Interventions& interventions = {}) const {
    auto pass = vlm.model->collate(batch(vlm));
    vlm.model->run(pass, interventions);
    return pass.hidden;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Vlm> vlm_;
};

TEST_P(MergedFolderTest, GivesTheLogitsOfThePatches) {
  for (const char* name : {"README.md", "EXAM.md", "LICENSE.md"})
    testing::write_text(folder_.file("base/") + name, "of the base");
  std::vector<SiteDelta> deltas;
  for (const auto& site : vlm_->model->sites())
    if (site.in != site.out || deltas.empty())
      deltas.push_back(random_delta(*vlm_, site.name, deltas.size() % 2 == 0, 0.05));
  PatchStack stack;
  // The second layer has a low-rank change of this patch and a dense one of the next patch.
  stack.apply(*vlm_,
              patch_of(*vlm_, {deltas[0], random_delta(*vlm_, deltas.at(1).site, true, 0.05)}));
  deltas.erase(deltas.begin());
  stack.apply(*vlm_, patch_of(*vlm_, deltas));

  uint64_t planned = 0, written = 0;
  MergedFolderOptions options;
  options.begin = [&](uint64_t bytes) { planned = bytes; };
  options.written = [&](uint64_t bytes) { written += bytes; };
  const auto result = write_merged_folder(*vlm_, stack, folder_.file("merged"), options);
  EXPECT_EQ(result.changed, static_cast<int64_t>(deltas.size()) + 1);
  EXPECT_EQ(planned, result.bytes);
  EXPECT_EQ(written, result.bytes);
  EXPECT_LT(result.rounding.largest, 1e-4);

  const auto merged = load_vlm(folder_.file("merged"));
  const auto expected = logits(*vlm_, stack.interventions(*vlm_));
  EXPECT_GT((logits(*vlm_) - expected).abs().max().item<float>(), 1e-3);
  EXPECT_LT((logits(merged) - expected).abs().max().item<float>(),
            1e-4 * expected.abs().max().item<float>());
  // The other files are the same. The documents about the base model are left out.
  EXPECT_FALSE(std::filesystem::exists(folder_.file("merged/EXAM.md")));
  std::filesystem::remove(folder_.file("base/EXAM.md"));
  EXPECT_THAT(read_file(folder_.file("merged/README.md")), HasSubstr("with edits in its weights"));
  for (const auto& entry : std::filesystem::directory_iterator(folder_.file("base"))) {
    const auto name = entry.path().filename().string();
    ASSERT_TRUE(std::filesystem::exists(folder_.file("merged/" + name))) << name;
    if (!name.ends_with(".safetensors") && name != "config.json" && name != "README.md") {
      EXPECT_EQ(read_file(entry.path().string()), read_file(folder_.file("merged/" + name)))
          << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, MergedFolderTest, ::testing::ValuesIn(testing::kTinyModels),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace emend
