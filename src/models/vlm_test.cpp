#include "models/vlm.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <thread>

#include "io/error.h"
#include "io/testing.h"
#include "models/testing/thread_guard.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class VlmTest : public ::testing::Test {
 protected:
  ThreadGuard threads_{1};

  VlmTest() { testing::write_tiny_vlm(folder.path()); }
  std::string refusal(const LoadOptions& options = {}) const {
    try {
      load_vlm(folder.path(), options);
      return "accepted";
    } catch (const Error& e) {
      return e.what();
    }
  }
  static Image picture(uint64_t seed) { return *testing::noise_image(seed); }

  TemporaryFolder folder;
};

TEST_F(VlmTest, BatchGivesTheAnswersOfSinglePrompts) {
  const auto vlm = load_vlm(folder.path());
  const std::vector<Query> queries{{picture(1), "What is this?"},
                                   {std::nullopt, "Where does the cat live, and with whom?"},
                                   {picture(2), "Q"},
                                   {picture(1), "Which colour?"}};
  GenerationOptions options;
  options.max_new_tokens = 6;
  const auto together = generate(vlm, queries, {}, options);
  ASSERT_EQ(together.size(), queries.size());
  for (size_t i = 0; i < queries.size(); ++i)
    EXPECT_EQ(generate(vlm, {queries[i]}, {}, options)[0], together[i]) << i;
  EXPECT_TRUE(generate(vlm, {}).empty());
}

TEST_F(VlmTest, TeacherForcingAlignsTokensAndLogits) {
  const auto vlm = load_vlm(folder.path());
  const auto forced = teacher_force(vlm, {{picture(1), "What is it?"}, {std::nullopt, "Say"}},
                                    {" a red star", " yes"});
  const auto& seen = forced[0];
  EXPECT_EQ(seen.num_image_tokens, 4);
  EXPECT_EQ(seen.tokens.front(), 2);
  const std::vector<int64_t> answer(seen.tokens.begin() + seen.answer_begin, seen.tokens.end());
  EXPECT_EQ(answer, vlm.processor.target(" a red star"));
  EXPECT_EQ(seen.logits.size(0), 4 + static_cast<int64_t>(seen.tokens.size()));
  EXPECT_EQ(forced[1].num_image_tokens, 0);
  EXPECT_EQ(forced[1].logits.size(0), static_cast<int64_t>(forced[1].tokens.size()));

  // The logits are those of the row alone.
  at::NoGradGuard no_grad;
  auto row = vlm.processor.row("Say");
  for (int64_t id : vlm.processor.target(" yes")) row.ids.push_back(id);
  auto pass = vlm.model->collate({{}, {row}});
  vlm.model->run(pass);
  EXPECT_TRUE(at::allclose(forced[1].logits, pass.logits()[0], 1e-4, 1e-5));
}

TEST_F(VlmTest, ScopesApplyToQueriesThatShareAPicture) {
  const auto vlm = load_vlm(folder.path());
  const std::vector<Query> queries{{picture(1), "What?"}, {picture(1), "What?"}};
  const auto blind = Intervention::boundary("connector.project", [](const at::Tensor& x) {
                       return x * 0;
                     }).on_rows({false, true});
  const auto forced = teacher_force(vlm, queries, {" a", " a"}, {blind});
  const auto plain = teacher_force(vlm, queries, {" a", " a"});
  EXPECT_TRUE(at::allclose(forced[0].logits, plain[0].logits, 1e-4, 1e-5));
  EXPECT_FALSE(at::allclose(forced[1].logits, plain[1].logits, 1e-2, 1e-2));
}

TEST_F(VlmTest, RequestInterventionsRunBeforeTheModel) {
  const auto vlm = load_vlm(folder.path());
  const auto ask_else = Intervention::request([&](const Batch&) {
    return Batch{{}, {vlm.processor.row("Something else entirely")}};
  });
  EXPECT_EQ(generate(vlm, {{std::nullopt, "Asked"}}, {ask_else}),
            generate(vlm, {{std::nullopt, "Something else entirely"}}));
}

TEST_F(VlmTest, RejectsEmptyPromptsAndTargets) {
  const auto vlm = load_vlm(folder.path());
  EXPECT_THROW(generate(vlm, {{std::nullopt, ""}}), Error);
  EXPECT_THROW(generate(vlm, {{picture(1), ""}}), Error);
  EXPECT_THROW(teacher_force(vlm, {{std::nullopt, "a"}}, {""}), Error);
  EXPECT_THROW(teacher_force(vlm, {{std::nullopt, "a"}}, {}), Error);
  EXPECT_THROW(generate(vlm, {{Image{}, "a"}}), Error);
  try {
    generate(vlm, {{std::nullopt, std::string(820, 'x')}});
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("needs 821 positions, but the model has only 512"));
  }
}

TEST_F(VlmTest, PlaceholdersMustBeAtTheStart) {
  auto tokenizer = testing::tiny_tokenizer();
  tokenizer["added_tokens"].push_back({{"id", 260},
                                       {"content", "<image>"},
                                       {"single_word", false},
                                       {"lstrip", false},
                                       {"rstrip", false},
                                       {"normalized", false},
                                       {"special", true}});
  testing::write_text(folder / "tokenizer.json", tokenizer.dump());
  auto config = testing::tiny_config();
  config["image_token_index"] = 260;
  testing::write_text(folder / "config.json", config.dump());
  const auto processor = load_vlm(folder.path()).processor;
  const auto plain = processor.row("What?", 0);
  EXPECT_EQ(processor.row("<image>What?", 0).ids, plain.ids);
  EXPECT_EQ(processor.row("<image><image><image><image>What?", 0).ids, plain.ids);
  EXPECT_THROW(processor.row("What <image> is?", 0), Error);
  EXPECT_THROW(processor.row("<image>What?"), Error);
  EXPECT_THROW(processor.row("<image>", 0), Error);
}

TEST_F(VlmTest, ReadsTheSingleProcessorFileOfNewerReleases) {
  const auto old = folder / "preprocessor_config.json";
  const auto one = folder / "processor_config.json";
  std::ifstream file(old);
  nlohmann::json both{{"image_processor", nlohmann::json::parse(file)}, {"num_query_tokens", 4}};
  testing::write_text(one, both.dump());
  fs::remove(old);
  EXPECT_EQ(load_vlm(folder.path()).processor.image_processor.width, 32);
  both["num_query_tokens"] = 5;
  testing::write_text(one, both.dump());
  EXPECT_THAT(refusal(), HasSubstr("num_query_tokens 5, but the model has 4"));
}

TEST_F(VlmTest, DefaultsDoNotReplaceMissingSettingsOfPictures) {
  fs::remove(folder / "preprocessor_config.json");
  for (const auto& processor :
       {nlohmann::json{{"num_query_tokens", 4}}, nlohmann::json{{"image_processor", nullptr}}}) {
    testing::write_text(folder / "processor_config.json", processor.dump());
    EXPECT_THAT(refusal(), AllOf(HasSubstr("cannot open"), HasSubstr("preprocessor_config.json")))
        << processor;
  }
}

TEST_F(VlmTest, ErrorsNameMissingAndBrokenFiles) {
  for (const char* name :
       {"config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"}) {
    TemporaryFolder other;
    testing::write_tiny_vlm(other.path());
    fs::remove(other / name);
    EXPECT_THROW(load_vlm(other.path()), Error) << name;
    testing::write_tiny_vlm(other.path());
    testing::write_text(other / name, "{ no");
    EXPECT_THROW(load_vlm(other.path()), Error) << name;
  }
  EXPECT_THROW(load_vlm(folder / "nowhere"), Error);
  TemporaryFolder none;
  EXPECT_THAT(error_of([&] { load_vlm(none.path()); }),
              AllOf(HasSubstr("'" + none.path() + "' has no config.json"),
                    HasSubstr("model.safetensors"), HasSubstr("tokenizer.json")));
  EXPECT_THAT(refusal({.dtype = at::kHalf}),
              HasSubstr("computing in fp16 on cpu is not supported"));
}

TEST_F(VlmTest, HalfFoldersAreConvertedToTheComputeDtype) {
  std::vector<std::pair<std::string, at::Tensor>> halves;
  const auto stored = Checkpoint::open(folder.path());
  for (const auto& name : stored.names())
    halves.emplace_back(name, stored.tensor(name).to(at::kHalf));
  TemporaryFolder other;
  testing::write_tiny_vlm(other.path());
  write_safetensors(other / "model.safetensors", halves);
  const auto full = load_vlm(folder.path());
  for (auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto half = load_vlm(other.path(), {.dtype = dtype});
    EXPECT_EQ(half.model->dtype(), dtype);
    const auto a = teacher_force(half, {{picture(1), "What?"}}, {" a"})[0].logits;
    const auto b = teacher_force(full, {{picture(1), "What?"}}, {" a"})[0].logits;
    EXPECT_EQ(a.scalar_type(), at::kFloat);
    const double tolerance = dtype == at::kFloat ? 0.01 : 0.1;
    EXPECT_LT(((a - b).abs().max() / b.abs().max()).item<double>(), tolerance);
  }
}

TEST_F(VlmTest, FingerprintCoversConfigAndBytes) {
  const auto first = load_vlm(folder.path()).fingerprint();
  EXPECT_EQ(first.size(), 32u);
  EXPECT_EQ(load_vlm(folder.path(), {.dtype = at::kBFloat16}).fingerprint(), first);

  auto config = testing::tiny_config();
  config["text_config"]["dropout"] = 0.3;            // used only in training
  config["vision_config"]["layer_norm_eps"] = 1e-6;  // the default, set explicitly
  testing::write_text(folder / "config.json", config.dump(2));
  EXPECT_EQ(load_vlm(folder.path()).fingerprint(), first);
  config["vision_config"]["layer_norm_eps"] = 1e-5;
  testing::write_text(folder / "config.json", config.dump(2));
  EXPECT_NE(load_vlm(folder.path()).fingerprint(), first);

  TemporaryFolder other;
  testing::write_tiny_vlm(other.path(), 1);
  EXPECT_NE(load_vlm(other.path()).fingerprint(), first);
}

TEST_F(VlmTest, FingerprintChangesWithOneBit) {
  const auto first = load_vlm(folder.path()).fingerprint();
  std::fstream file(folder / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-5, std::ios::end);
  const int byte = file.get();
  file.seekp(-5, std::ios::end);
  file.put(static_cast<char>(byte ^ 1));
  file.close();
  EXPECT_NE(load_vlm(folder.path()).fingerprint(), first);
}

}  // namespace
}  // namespace emend
