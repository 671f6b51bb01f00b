// Compiles and runs the skeletons of docs/extending.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "examples/extending/attention.h"
#include "examples/extending/first_token.h"
#include "examples/extending/pairs.h"
#include "examples/extending/toy_vlm.h"
#include "io/files/file.h"
#include "io/testing.h"
#include "models/core/loading/random_weights.h"
#include "nn/loss.h"
#include "tests/tiny_llava.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

TEST(Extending, EditorChangesOutputProjectionsOfAttention) {
  const TemporaryFolder folder;
  testing::write_tiny_vlm(folder.path());
  const auto vlm = load_vlm(folder.path());
  const auto info = attention_editor();
  const auto editor = info.make({{"steps", 3}});
  const auto patch = editor->edit(vlm, {{{}, "Who is it?", " cat"}});
  ASSERT_FALSE(patch.deltas.empty());
  for (const auto& change : patch.deltas) EXPECT_THAT(change.site, HasSubstr("out_proj"));
  EXPECT_EQ(patch.editor, "attention");
  EXPECT_THAT(error_of([&] { info.make({{"layer", "key"}}); }), HasSubstr("output, value"));
}

TEST(Extending, ModelRunsOnPictureAndText) {
  auto config = testing::tiny_llava_config();
  config["image_token_id"] = 3;
  config.erase("image_token_index");
  const auto architecture = toy_architecture(config);
  Weights weights(RandomWeights(at::kFloat, 1), at::kFloat);
  const auto model = architecture.make_model(weights);
  const auto side = config["vision_config"]["image_size"].get<int64_t>();
  Batch batch;
  batch.pixels = at::zeros({1, 3, side, side});
  Row row;
  row.ids.assign(static_cast<size_t>(model->num_image_tokens()), kImageToken);
  row.ids.push_back(5);
  row.images = {0};
  batch.rows = {row, {{5, 6}, {}, {}}};
  auto pass = model->collate(batch);
  model->run(pass);
  EXPECT_EQ(pass.logits().sizes(),
            at::IntArrayRef({2, model->num_image_tokens() + 1, model->vocabulary()}));
  EXPECT_FALSE(model->find_sites(model->default_sites(Module::connector)).empty());
}

TEST(Extending, SuiteReadsPairs) {
  const TemporaryFolder folder;
  SuiteOptions options;
  EXPECT_THAT(error_of([&] { open_pairs(options); }), HasSubstr("--data"));
  options.data = folder.file("pairs.json");
  write_file(options.data, R"([{"question": "Who?", "answer": "a cat", "rephrase": ["Who is it?"]},
                               {"question": "Where?", "answer": "here", "rephrase": []}])");
  const auto suite = open_pairs(options);
  ASSERT_EQ(suite->size(), 2u);
  const auto record = suite->record(0);
  EXPECT_EQ(record.target, "a cat");
  ASSERT_EQ(record.probes.size(), 2u);
  EXPECT_EQ(record.probes[1].group, Group::text_generality);
  EXPECT_EQ(record.probes[1].text, "Who is it?");
}

TEST(Extending, MetricScoresTheFirstTokenOfEachAnswer) {
  // Two rows of three positions; the answers have two tokens and one token.
  const auto labels =
      at::tensor({kIgnored, int64_t{1}, int64_t{2}, kIgnored, kIgnored, int64_t{0}}, at::kLong)
          .view({2, 3});
  auto logits = at::zeros({2, 3, 4});
  logits[0][0][1] = 1;  // right; the second token is wrong
  logits[1][1][3] = 1;  // wrong
  EXPECT_EQ(first_token_accuracy(logits, labels), 0.5);
  logits[1][1][0] = 2;
  EXPECT_EQ(first_token_accuracy(logits, labels), 1);
  EXPECT_THAT(error_of([&] {
                first_token_accuracy(logits, at::full({2, 3}, kIgnored));
              }),
              HasSubstr("no answer position"));
}

}  // namespace
}  // namespace emend
