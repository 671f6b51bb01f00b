#include "editing/editors/ike/ike.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/editors/ike/prompt_rewriter.h"
#include "editing/patches/patch_stack.h"
#include "io/error.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const char* const kFixture = EMEND_SOURCE_DIR "/src/editing/testdata/ike.safetensors";

class IkeTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_tiny_vlm(folder_->path());
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_->path()));
    std::filesystem::create_directories(*folder_ / "editors");
    save_checkpoint(*folder_ / "editors/ike.safetensors", corpus().checkpoint(vlm(), {}));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    folder_.reset();
  }
  static const Vlm& vlm() { return *vlm_; }

  static IkeCorpus corpus(const IkeCorpusSettings& settings = {}) {
    std::vector<Demonstration> all;
    for (const auto& [thing, name] : {std::pair{"cat", "Tom"}, {"dog", "Rex"}, {"owl", "Ann"}}) {
      const auto prompt = std::string("Name of ") + thing + "?";
      all.push_back(copy_of(prompt, name));
      all.push_back({"update", prompt, name, std::string("Who is ") + thing + "?", name});
      all.push_back({"retain", prompt, name, "Where is Rome?", "Italy"});
    }
    return IkeCorpus::of(vlm(), all, settings);
  }
  static EditRequest request(uint64_t picture = 1, const std::string& prompt = "What is this?",
                             const std::string& target = " cat") {
    return {picture ? Picture{"", testing::noise_image(picture)} : Picture{}, prompt, target};
  }
  static Patch edit(const nlohmann::json& settings,
                    const std::vector<EditRequest>& requests = {request()}) {
    return make_editor("ike", settings)->edit(vlm(), requests);
  }
  // Makes a patch whose memory has these entries, without a corpus.
  static Patch told(const std::vector<std::pair<std::string, std::string>>& edits,
                    const std::vector<std::vector<std::string>>& demonstrations,
                    const nlohmann::json& settings = nlohmann::json::object()) {
    Patch patch;
    patch.editor = "ike";
    patch.settings = make_editor("ike", settings)->settings();
    for (size_t e = 0; e < edits.size(); ++e)
      patch.memory.add({std::to_string(e),
                        {{"prompt", edits[e].first},
                         {"target", edits[e].second},
                         {"demonstrations", demonstrations[e]}},
                        {}});
    return patch;
  }
  // Returns the text of a rewritten question, after its image tokens.
  static std::string rewritten(const Patch& patch, const std::string& question,
                               int64_t image = -1) {
    Batch batch{image >= 0 ? at::zeros({image + 1, 3, 32, 32}) : at::Tensor(),
                {vlm().processor.row(question, image)}};
    const auto row = IkePromptRewriter(vlm(), patch).rewrite(batch).rows[0];
    const auto image_tokens = image >= 0 ? vlm().model->num_image_tokens() : 0;
    EXPECT_EQ(std::count(row.ids.begin(), row.ids.end(), kImageToken), image_tokens);
    EXPECT_EQ(std::count(row.ids.begin(), row.ids.begin() + image_tokens, kImageToken),
              image_tokens);
    EXPECT_EQ(row.ids[static_cast<size_t>(image_tokens)], 2);  // one BOS, after the image tokens
    EXPECT_EQ(std::count(row.ids.begin(), row.ids.end(), 2), 1);
    return vlm().processor.tokenizer->decode({row.ids.begin() + image_tokens, row.ids.end()});
  }

  static std::unique_ptr<TemporaryFolder> folder_;
  static std::unique_ptr<Vlm> vlm_;
};
std::unique_ptr<TemporaryFolder> IkeTest::folder_;
std::unique_ptr<Vlm> IkeTest::vlm_;

// tools/reference/editors/make_ike_fixture.py
TEST_F(IkeTest, PromptsAgreeWithReference) {
  const auto file = SafetensorsFile::open(kFixture);
  const auto demonstrations = parse_json(file->metadata().at("demonstrations"), kFixture);
  IkeTemplates templates;
  const auto cases = parse_json(file->metadata().at("cases"), kFixture);
  ASSERT_EQ(cases.size(), 36u);
  for (const auto& one : cases) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < one["count"]; ++i) {
      const auto& d = demonstrations[i];
      texts.push_back(templates.format_demonstration({d[0], d[1], d[2], d[3], d[4]}));
    }
    const auto patch = told({{one["prompt"], one["target"]}}, {texts});
    EXPECT_EQ(rewritten(patch, one["question"]), one["text"]);
    EXPECT_EQ(rewritten(patch, one["question"], 0), one["text"]);
  }
}

TEST_F(IkeTest, RankingAgreesWithReference) {
  const auto file = SafetensorsFile::open(kFixture);
  const auto embeddings = file->tensor("embeddings").clone();
  const auto queries = file->tensor("queries").clone();
  for (int64_t q = 0; q < queries.size(0); ++q) {
    const auto expected = file->tensor("ranking." + std::to_string(q)).clone();
    const auto ranking = nearest_rows(embeddings, queries[q], 32);
    EXPECT_TRUE(at::equal(at::tensor(ranking, at::kLong), expected)) << q;
  }
  EXPECT_EQ(nearest_rows(embeddings, queries[0], 1000).size(), 120u);
  EXPECT_TRUE(nearest_rows(embeddings, queries[0], 0).empty());
}

TEST_F(IkeTest, NearestDemonstrationsComeFirst) {
  const auto all = corpus();
  // A text of the corpus is its own nearest neighbor.
  const auto order = all.nearest(vlm(), "Name of dog?", "Rex", 4);
  ASSERT_EQ(order.size(), 4u);
  EXPECT_EQ(order[0], 3);
  const auto patch = edit({{"k", 4}}, {request(1, "Name of dog?", " Rex")});
  const auto& facts = patch.memory.entries.at(0).facts;
  EXPECT_EQ(facts["prompt"], "Name of dog?");
  EXPECT_EQ(facts["target"], "Rex");
  ASSERT_EQ(facts["demonstrations"].size(), 4u);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_EQ(facts["demonstrations"][i], IkeTemplates().format_demonstration(
                                              all.demonstrations[static_cast<size_t>(order[i])]));
  EXPECT_EQ(patch.effect["demonstrations"], nlohmann::json({{"found", 4}, {"shown", 4}}));
}

TEST_F(IkeTest, BosIsKept) {
  const auto patch = edit({{"k", 2}});
  auto processor = vlm().processor;
  const auto told = [&](Processor::Bos bos) {
    processor.bos = bos;
    return apply_requests({{}, {processor.row("Short?")}}, patch.interventions(vlm())).rows[0].ids;
  };
  const auto with = told(Processor::Bos::released), without = told(Processor::Bos::never);
  ASSERT_GT(with.size(), without.size());
  EXPECT_EQ(std::vector<int64_t>(with.end() - static_cast<int64_t>(without.size()), with.end()),
            without);
  EXPECT_NE(with.front(), without.front());
}

TEST_F(IkeTest, RowsKeepPictureAndAnswer) {
  const auto& processor = vlm().processor;
  const auto patch = edit({{"k", 2}});
  Batch batch;
  batch.pixels = at::rand({2, 3, 32, 32});
  batch.rows = {processor.row("Short?", 1), processor.row("A longer question?"),
                processor.row("What is this?", 0)};
  // The third row has a teacher-forced answer.
  auto& third = batch.rows[2];
  third.prompt_length = static_cast<int64_t>(third.ids.size());
  for (auto id : processor.target(" cat")) third.ids.push_back(id);
  const auto changed = apply_requests(batch, patch.interventions(vlm()));
  EXPECT_TRUE(changed.pixels[1].is_same(batch.pixels[1]));
  const auto plain_size = [&](const Row& row) { return static_cast<int64_t>(row.ids.size()); };
  for (size_t r = 0; r < 3; ++r) {
    EXPECT_EQ(changed.rows[r].images, batch.rows[r].images);
    EXPECT_GT(plain_size(changed.rows[r]), plain_size(batch.rows[r]));
    // Alone, the row is rewritten in the same way.
    const auto alone = apply_requests({batch.pixels, {batch.rows[r]}}, patch.interventions(vlm()));
    EXPECT_EQ(alone.rows[0].ids, changed.rows[r].ids);
    EXPECT_EQ(alone.rows[0].prompt_length, changed.rows[r].prompt_length);
  }
  EXPECT_EQ(changed.rows[0].prompt_length, -1);
  EXPECT_EQ(changed.rows[2].prompt_length, plain_size(changed.rows[2]) - 4);
  const std::vector<int64_t> end(changed.rows[2].ids.end() - 4, changed.rows[2].ids.end());
  EXPECT_EQ(end, processor.target(" cat"));
  // The rewritten row gives the same logits as its text.
  const auto text = rewritten(patch, "What is this?");
  const auto image = *testing::noise_image(3);
  const auto by_patch = teacher_force(vlm(), {{image, "What is this?"}, {{}, "What is this?"}},
                                      {" cat", " cat"}, patch.interventions(vlm()));
  const auto by_text = teacher_force(vlm(), {{image, text}, {{}, text}}, {" cat", " cat"});
  for (size_t r = 0; r < 2; ++r) EXPECT_TRUE(at::equal(by_patch[r].logits, by_text[r].logits)) << r;
}

TEST_F(IkeTest, TokensWithoutTextAreKept) {
  const auto& processor = vlm().processor;
  const auto patch = told({{"P?", "T"}}, {{}});
  auto row = processor.row("a</s>b");
  ASSERT_EQ(row.ids.size(), 4u);
  const auto made = IkePromptRewriter(vlm(), patch).rewrite({{}, {row}}).rows[0];
  const auto size = made.ids.size();
  EXPECT_EQ(std::vector<int64_t>(made.ids.end() - 3, made.ids.end()),
            std::vector<int64_t>(row.ids.begin() + 1, row.ids.end()));
  EXPECT_EQ(processor.tokenizer->decode({made.ids.begin(), made.ids.begin() + size - 3}),
            "New Fact: P? T\nPrompt: P? T\n\nNew Fact: P? T\nPrompt: ");
}

TEST_F(IkeTest, LeastSimilarDemonstrationsAreOmittedFirst) {
  std::vector<std::string> texts;
  for (char c = 'a'; c <= 'h'; ++c) texts.push_back(std::string(70, c) + "\n");
  const auto patch = told({{"P?", "T"}}, {texts});
  const IkePromptRewriter recall(vlm(), patch);
  const auto most = vlm().model->max_positions();
  for (const std::string question : {"Q", "A question that is so long that one less fits here?"}) {
    const auto row = vlm().processor.row(question);
    const auto shown = recall.shown(row);
    EXPECT_EQ(shown.own, 1);
    EXPECT_EQ(shown.facts, 1);
    const auto text = rewritten(patch, question);
    const auto first = text.find("New Fact");
    EXPECT_EQ(first, 71u * static_cast<size_t>(shown.demonstrations));
    EXPECT_THAT(text, StartsWith(std::string(70, 'a')));
    const auto size = static_cast<int64_t>(text.size()) + 1;  // bytes, BOS
    EXPECT_LE(size, most - 32);
    EXPECT_GT(size + 71, most - 32);
  }
  EXPECT_EQ(recall.shown(vlm().processor.row("Q")).demonstrations, 6);
  // A picture and a long teacher-forced answer also need positions.
  EXPECT_EQ(recall.shown(vlm().processor.row("Q", 0)).demonstrations, 5);
  auto row = vlm().processor.row("Q");
  row.prompt_length = static_cast<int64_t>(row.ids.size());
  row.ids.resize(row.ids.size() + 120, 70);
  EXPECT_EQ(recall.shown(row).demonstrations, 4);
  const auto forced = recall.rewrite({{}, {row}}).rows[0];
  EXPECT_LE(static_cast<int64_t>(forced.ids.size()), most);
  // Then the edit's own demonstration is omitted; the fact never is.
  const auto long_one = vlm().processor.row(std::string(430, 'x'));
  EXPECT_EQ(recall.shown(long_one).own, 0);
  EXPECT_EQ(recall.shown(long_one).facts, 1);
  EXPECT_THAT(error_of([&] { recall.shown(vlm().processor.row(std::string(470, 'x'))); }),
              AllOf(HasSubstr("editing::ike"), HasSubstr("reserved_answer_tokens")));
}

TEST_F(IkeTest, SeveralEditsShareTheDemonstrations) {
  const auto patch = told({{"P1?", "T1"}, {"P2?", "T2"}},
                          {{"a1\n", "both\n", "a3\n"}, {"b1\n", "both\n", "b3\n"}}, {{"k", 4}});
  EXPECT_EQ(rewritten(patch, "Q?"),
            "a1\nb1\nboth\na3\n"
            "New Fact: P1? T1\nPrompt: P1? T1\n\nNew Fact: P2? T2\nPrompt: P2? T2\n\n"
            "New Fact: P1? T1\nNew Fact: P2? T2\nPrompt: Q?");
  // If not all facts fit, the latest ones are used.
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 40; ++i) many.emplace_back("Prompt " + std::to_string(i) + "?", "T");
  const auto pile = told(many, std::vector<std::vector<std::string>>(40, {"demonstration\n"}));
  const auto shown = IkePromptRewriter(vlm(), pile).shown(vlm().processor.row("Q?"));
  EXPECT_EQ(shown.demonstrations, 0);
  EXPECT_EQ(shown.own, 0);
  EXPECT_GT(shown.facts, 10);
  EXPECT_LT(shown.facts, 40);
  const auto text = rewritten(pile, "Q?");
  EXPECT_THAT(text, ::testing::EndsWith("New Fact: Prompt 39? T\nPrompt: Q?"));
}

TEST_F(IkeTest, StackedPatchesShareOneMemory) {
  auto first = edit({{"k", 2}}), second = edit({{"k", 2}}, {request(2, "Who?", " Ann")});
  PatchStack stack;
  stack.apply(vlm(), first);
  stack.apply(vlm(), second);
  EXPECT_EQ(stack.interventions(vlm()).size(), 1u);
  const auto both = edit({{"k", 2}}, {request(), request(2, "Who?", " Ann")});
  Batch batch{{}, {vlm().processor.row("Where?")}};
  const auto rows = [&](const Interventions& changes) {
    return apply_requests(batch, changes).rows[0].ids;
  };
  EXPECT_EQ(rows(stack.interventions(vlm())), rows(both.interventions(vlm())));
  // An edit of the same question about the same picture replaces the earlier entry.
  stack.apply(vlm(), edit({{"k", 2}}, {request(1, "What is this?", " dog")}));
  const auto ids = rows(stack.interventions(vlm()));
  const auto text = vlm().processor.tokenizer->decode(ids);
  EXPECT_THAT(text, ::testing::Not(HasSubstr("What is this? cat")));
  EXPECT_THAT(text, HasSubstr("What is this? dog"));
  stack.remove(second.id);
  stack.remove(stack.patches().back().id);
  EXPECT_EQ(rows(stack.interventions(vlm())), rows(first.interventions(vlm())));
}

TEST_F(IkeTest, PicturesOfFactsAreShownIfSet) {
  auto settings = IkeCorpusSettings{};
  settings.images = true;
  auto with = corpus(settings);
  with.pictures = at::rand({3, 3, 32, 32});
  for (size_t i = 0; i < with.demonstrations.size(); ++i)
    with.demonstrations[i].picture = static_cast<int64_t>(i / 3);
  const auto file = *folder_ / "pictures.safetensors";
  save_checkpoint(file, with.checkpoint(vlm(), {}));
  const auto patch = edit({{"k", 2}, {"images", true}, {"checkpoint", file}});
  const auto& tensors = patch.memory.entries.at(0).tensors;
  ASSERT_EQ(tensors.size(), 3u);
  Batch batch{at::rand({1, 3, 32, 32}),
              {vlm().processor.row("Q?", 0), vlm().processor.row("No picture?")}};
  const auto changed = apply_requests(batch, patch.interventions(vlm()));
  // The picture of the row, and those of the edit's fact and of demonstrations.
  ASSERT_EQ(changed.pixels.size(), 4);
  EXPECT_TRUE(at::equal(changed.pixels[0], batch.pixels[0]));
  const auto shown = changed.rows[0].images;
  // Demonstrations, the edit's own demonstration, its fact, the question.
  ASSERT_EQ(shown.size(), 5u);
  EXPECT_EQ(shown[4], 0);
  EXPECT_EQ(shown[2], shown[3]);
  EXPECT_TRUE(at::equal(changed.pixels[shown[0]], tensors.at("demonstration.0")));
  EXPECT_TRUE(at::equal(changed.pixels[shown[1]], tensors.at("demonstration.1")));
  EXPECT_TRUE(at::equal(changed.pixels[shown[2]], tensors.at("picture")));
  EXPECT_EQ(changed.rows[1].images.size(), 4u);
  at::NoGradGuard no_grad;
  auto pass = vlm().model->collate(changed);
  vlm().model->run(pass);
  EXPECT_TRUE(at::isfinite(pass.logits()).all().item<bool>());
  // After saving and loading, with the pictures.
  save_patch(*folder_ / "pictures.patch", patch);
  const auto loaded = load_patch(*folder_ / "pictures.patch");
  EXPECT_EQ(apply_requests(batch, loaded.interventions(vlm())).rows[0].ids, changed.rows[0].ids);
  // By default, only the picture of the question is used.
  const auto plain = edit({{"k", 2}, {"checkpoint", file}});
  EXPECT_TRUE(plain.memory.entries.at(0).tensors.empty());
  EXPECT_EQ(apply_requests(batch, plain.interventions(vlm())).rows[1].images.size(), 0u);
}

TEST_F(IkeTest, ZeroDemonstrationsNeedNoCorpus) {
  TemporaryFolder other;
  testing::write_tiny_vlm(other.path(), 1);
  const auto model = load_vlm(other.path());
  const auto alone =
      make_editor("ike", {{"k", 0}, {"copy_demonstration", false}})->edit(model, {request()});
  EXPECT_EQ(alone.effect["demonstrations"]["found"], 0);
  EXPECT_THAT(error_of([&] { make_editor("ike", {})->edit(model, {request()}); }),
              AllOf(HasSubstr("emend train"), HasSubstr("--editor ike")));
  // A corpus of another model.
  EXPECT_THAT(error_of([&] {
                make_editor("ike", {{"checkpoint", *folder_ / "editors/ike.safetensors"}})
                    ->edit(model, {request()});
              }),
              HasSubstr("base model"));
}

TEST_F(IkeTest, TemplatesAreChecked) {
  const auto refusal = [](const char* setting, const char* value) {
    return error_of([&] { make_editor("ike", {{setting, value}}); });
  };
  EXPECT_THAT(refusal("fact", "New Fact: {prompt}"),
              AllOf(HasSubstr("'fact'"), HasSubstr("{target}")));
  EXPECT_THAT(refusal("query", "Prompt:"), AllOf(HasSubstr("'query'"), HasSubstr("{question}")));
  EXPECT_THAT(refusal("query", "{target} {question}"), HasSubstr("cannot have {target}"));
  EXPECT_THAT(refusal("demonstration", "{prompt}"), HasSubstr("'demonstration'"));
  const auto patch = told({{"P?", "T"}}, {{}},
                          {{"fact", "{target}: {prompt}."},
                           {"query", "Q {question} A"},
                           {"copy_demonstration", false}});
  EXPECT_EQ(rewritten(patch, "x"), "T: P?.Q x A");
}

TEST_F(IkeTest, DamagedMemoryIsRejected) {
  const auto patch = told({{"P?", "T"}}, {{"x"}});
  for (const char* gone : {"prompt", "target", "demonstrations"}) {
    auto damaged = patch;
    damaged.memory.entries[0].facts.erase(gone);
    EXPECT_THAT(error_of([&] { IkePromptRewriter(vlm(), damaged); }), HasSubstr(gone));
  }
  auto damaged = patch;
  damaged.memory.entries[0].facts["demonstrations"][0] = 3;
  EXPECT_THAT(error_of([&] { IkePromptRewriter(vlm(), damaged); }), HasSubstr("not a text"));
  damaged = patch;
  damaged.memory.entries[0].tensors["picture"] = at::zeros({3});
  EXPECT_THAT(error_of([&] { IkePromptRewriter(vlm(), damaged); }), HasSubstr("picture"));
}

TEST_F(IkeTest, DamagedCorpusIsRejected) {
  const auto file = *folder_ / "damaged.safetensors";
  const auto refusal = [&](const std::function<void(EditorCheckpoint&)>& damage) {
    auto checkpoint = corpus().checkpoint(vlm(), {});
    damage(checkpoint);
    save_checkpoint(file, checkpoint);
    return error_of([&] { IkeCorpus::load(vlm(), file); });
  };
  EXPECT_EQ(refusal([](auto&) {}), "no error");
  EXPECT_THAT(refusal([](auto& c) { c.tensors.erase("mean"); }), HasSubstr("embedding"));
  EXPECT_THAT(refusal([](auto& c) {
                c.tensors["embeddings"] = at::zeros({2, 32});
              }),
              HasSubstr("embedding"));
  EXPECT_THAT(refusal([](auto& c) { c.tensors["other"] = at::zeros({2}); }), HasSubstr("'other'"));
  EXPECT_THAT(refusal([](auto& c) { c.training.erase("demonstrations"); }),
              HasSubstr("demonstrations"));
  EXPECT_THAT(refusal([](auto& c) { c.training["demonstrations"][0] = "x"; }),
              HasSubstr("no demonstrations"));
  EXPECT_THAT(refusal([](auto& c) { c.training["demonstrations"][0][2] = 7; }),
              HasSubstr("picture 7"));
  EXPECT_THAT(refusal([](auto& c) { c.settings["blocks"] = 99; }), "no error");
  EXPECT_THAT(error_of([&] {
                make_editor("ike", {{"checkpoint", file}})->edit(vlm(), {request()});
              }),
              HasSubstr("'blocks' is 99"));
}

TEST_F(IkeTest, CorpusIsReproducible) {
  const auto file = *folder_ / "again.safetensors";
  auto made = corpus();
  save_checkpoint(file, made.checkpoint(vlm(), {}));
  const auto read = IkeCorpus::load(vlm(), file);
  EXPECT_TRUE(at::equal(read.embeddings, made.embeddings));
  ASSERT_EQ(read.demonstrations.size(), 9u);
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(IkeTemplates().format_demonstration(read.demonstrations[i]),
              IkeTemplates().format_demonstration(made.demonstrations[i]));
    EXPECT_EQ(read.demonstrations[i].kind, made.demonstrations[i].kind);
  }
}

}  // namespace
}  // namespace emend
