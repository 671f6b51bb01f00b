#include "editing/editors/ledger/ledger.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>

#include "editing/editors/ledger/recall.h"
#include "editing/editors/ledger/scopes/fact_codes.h"
#include "editing/editors/ledger/scopes/question_texts.h"
#include "editing/editors/memory/prompt_answers.h"
#include "editing/patches/merge.h"
#include "editing/patches/patch_stack.h"
#include "editing/registry.h"
#include "editing/testing/every_editor.h"
#include "editing/testing/tiny_vlm_test.h"
#include "editing/training/forced.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

class LedgerTest : public testing::TinyVlmTest {
 protected:
  static void SetUpTestSuite() {
    TinyVlmTest::SetUpTestSuite();
    std::filesystem::create_directories(vlm_->folder + "/editors");
    testing::write_trained_editor(editor_info("ledger"), *vlm_, "");
  }
  // The limit is so low that only the question itself is in scope.
  static Patch edited(const std::vector<EditRequest>& requests, nlohmann::json settings = {}) {
    nlohmann::json all = {{"risk", 1}, {"limit", 1e-4}, {"supersede", 1e-5}};
    if (!settings.is_null()) all.update(settings);
    return make_editor("ledger", all)->edit(*vlm_, requests);
  }
  static EditRequest request(uint64_t picture, const std::string& target = " cat") {
    return {{"", testing::noise_image(picture)}, "What is this?", target};
  }
  static std::vector<at::Tensor> logits(const std::vector<Query>& queries,
                                        const Interventions& interventions) {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> all;
    for (const auto& row : teacher_force(
             *vlm_, queries, std::vector<std::string>(queries.size(), " cat"), interventions))
      all.push_back(row.logits);
    return all;
  }
  // The logits of all positions of a teacher-forced row: those that predict the prompt, and the
  // answer.
  static std::pair<at::Tensor, at::Tensor> row_logits(const EditRequest& request,
                                                      const Interventions& interventions) {
    at::NoGradGuard no_grad;
    auto pass = vlm_->model->collate(force_edits(*vlm_, {request}, /*end_of_answer=*/false).batch);
    vlm_->model->run(pass, interventions);
    const auto logits = pass.logits()[0];
    const auto end = prompt_ends(pass).item<int64_t>();
    return {logits.slice(0, 0, end), logits.slice(0, end, logits.size(0) - 1)};
  }
  // 500 calibration keys, of which the i-th (from 1) has the squared distance i.
  static at::Tensor calibration_around(const at::Tensor& key) {
    auto calibration = key.repeat({500, 1});
    calibration.select(1, 0).add_(at::arange(1, 501).to(at::kFloat).sqrt());
    return calibration;
  }
  // In scope, another picture, another question, without a picture.
  static std::vector<Query> four_queries() {
    return {{*testing::noise_image(1), "What is this?"},
            {*testing::noise_image(2), "What is this?"},
            {*testing::noise_image(1), "Where on earth may this be?"},
            {{}, "What is this?"}};
  }
};

TEST_F(LedgerTest, QuestionsOutOfScopeKeepTheirBits) {
  const auto before = logits(four_queries(), {});
  const auto after = logits(four_queries(), edited({request(1)}).interventions(*vlm_));
  EXPECT_FALSE(at::equal(before[0], after[0]));
  for (size_t i = 1; i < before.size(); ++i) EXPECT_TRUE(at::equal(before[i], after[i])) << i;
}

TEST_F(LedgerTest, ChangeIsMadeIfTheContextAloneDoesNotHold) {
  const auto patch = edited({request(1)});
  ASSERT_EQ(patch.memory.entries.size(), 1u);
  const auto& effect = patch.effect["entries"][0];
  // The model of random weights does not copy an edit.
  ASSERT_FALSE(effect["change"].is_null()) << patch.effect.dump();
  EXPECT_TRUE(effect["holds"].get<bool>()) << patch.effect.dump();
  EXPECT_GT(patch.memory.entries[0].tensors.size(), 1u);
  const auto none = edited({request(1)}, {{"change", "none"}});
  EXPECT_EQ(none.memory.entries[0].tensors.size(), 1u);
  EXPECT_FALSE(none.effect["holds"].get<bool>());
}

TEST_F(LedgerTest, EndOfTheAnswerIsOptional) {
  const auto answer = [](const Patch& patch) {
    return generate(*vlm_, {{*testing::noise_image(1), "What is this?"}},
                    patch.interventions(*vlm_))[0];
  };
  EXPECT_EQ(answer(edited({request(1)})), "cat");
  const auto open = edited({request(1)}, {{"end_of_answer", false}});
  EXPECT_TRUE(open.effect["holds"].get<bool>()) << open.effect.dump();
  EXPECT_THAT(answer(open), ::testing::StartsWith("cat"));
  EXPECT_NE(answer(open), "cat");
}

TEST_F(LedgerTest, RowsOfDifferentEntriesGetTheirOwnEdits) {
  const auto one = edited({request(1)}), two = edited({request(2, " dog")});
  const std::vector<Query> queries = {{*testing::noise_image(1), "What is this?"},
                                      {*testing::noise_image(2), "What is this?"}};
  const auto both = logits(queries, merged({one, two}).interventions(*vlm_));
  EXPECT_TRUE(at::allclose(both[0], logits(queries, one.interventions(*vlm_))[0], 1e-4, 1e-4));
  EXPECT_TRUE(at::allclose(both[1], logits(queries, two.interventions(*vlm_))[1], 1e-4, 1e-4));
}

TEST_F(LedgerTest, RemovalLeavesTheOthersAsIfTheEditHadNeverBeenMade) {
  const auto one = edited({request(1)}), two = edited({request(2, " dog")});
  PatchStack stack;
  stack.apply(*vlm_, one);
  stack.apply(*vlm_, two);
  stack.remove(one.id);
  const auto after = logits(four_queries(), stack.interventions(*vlm_));
  const auto alone = logits(four_queries(), two.interventions(*vlm_));
  for (size_t i = 0; i < after.size(); ++i) EXPECT_TRUE(at::equal(after[i], alone[i])) << i;
}

TEST_F(LedgerTest, LaterEditOfTheSameQuestionWins) {
  auto first = edited({request(1, " cat")});
  auto second = edited({request(1, " dog")});
  // The names of entries differ, as for two views of one thing.
  second.memory.entries[0].name += "'";
  PatchStack stack;
  stack.apply(*vlm_, first);
  stack.apply(*vlm_, second);
  const auto both = logits(four_queries(), stack.interventions(*vlm_));
  EXPECT_TRUE(at::equal(both[0], logits(four_queries(), second.interventions(*vlm_))[0]));

  auto patch = first;
  patch.memory.add(second.memory.entries[0]);
  const LedgerScopes scopes(patch);
  EXPECT_EQ(scopes.superseded(), (std::vector<int64_t>{1, -1}));
}

// Memories with different settings cannot be merged and are read one after the other. The key of
// the second one has the answer of the model without the first.
TEST_F(LedgerTest, LaterEditWithOtherSettingsWins) {
  const auto first = edited({request(1, " cat")});
  const auto second = edited({request(1, " dog")}, {{"limit", 2e-4}});
  PatchStack stack;
  stack.apply(*vlm_, first);
  stack.apply(*vlm_, second);
  const auto both = logits(four_queries(), stack.interventions(*vlm_));
  const auto alone = logits(four_queries(), second.interventions(*vlm_));
  EXPECT_FALSE(at::equal(alone[0], logits(four_queries(), first.interventions(*vlm_))[0]));
  for (size_t i = 0; i < both.size(); ++i) EXPECT_TRUE(at::equal(both[i], alone[i])) << i;
}

// The question is edited, then a view of the same thing, then the question again.
TEST_F(LedgerTest, QuestionThatIsEditedAgainWinsOverItsOtherViews) {
  const auto first = edited({request(1, " cat")}), third = edited({request(1, " bird")});
  auto second = edited({request(1, " dog")});
  second.memory.entries[0].name += "'";
  PatchStack stack;
  for (const auto& patch : {first, second, third}) stack.apply(*vlm_, patch);
  EXPECT_TRUE(at::equal(logits(four_queries(), stack.interventions(*vlm_))[0],
                        logits(four_queries(), third.interventions(*vlm_))[0]));
}

TEST_F(LedgerTest, ScopeOfTheTextAloneIgnoresThePicture) {
  const auto patch = edited({request(1)}, {{"scope", "text"}});
  const LedgerScopes scopes(patch);
  auto key = patch.memory.entries[0].tensors.at("key").unsqueeze(0).clone();
  EXPECT_EQ(scopes.route(key).entry.item<int64_t>(), 0);
  key.slice(1, 4).add_(10);  // another picture and answer
  EXPECT_EQ(scopes.route(key).entry.item<int64_t>(), 0);
  key.slice(1, 0, 4).add_(10);  // another text
  EXPECT_EQ(scopes.route(key).entry.item<int64_t>(), -1);
}

TEST_F(LedgerTest, CalibrationBoundsTheScope) {
  auto patch = edited({request(1)}, {{"limit", 100}});
  const auto key = patch.memory.entries[0].tensors.at("key");
  const auto calibration = calibration_around(key);
  patch.memory.network["calibration"] = calibration;
  patch.settings["risk"] = 0.01;
  const LedgerScopes scopes(patch);
  EXPECT_EQ(scopes.certificate().touched, 1);  // two of 500 would need 473 samples and one hit
  EXPECT_NEAR(scopes.certificate().threshold, 2, 1e-3);
  patch.memory.network["calibration"] = calibration.slice(0, 0, 100);
  try {
    LedgerScopes{patch};
    FAIL() << "100 questions certify a risk of 0.01";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("299 are needed"));
  }
}

TEST_F(LedgerTest, CalibrationLeavesOutQuestionsAboutEditedFacts) {
  auto patch = edited({request(1)}, {{"limit", 100}});
  std::vector<std::string> facts(500, "another fact");
  facts[0] = facts[1] = facts[400] = "what this is";
  patch.memory.network["calibration"] =
      calibration_around(patch.memory.entries[0].tensors.at("key"));
  patch.memory.network["calibration_facts"] = fact_codes(facts);
  patch.settings["risk"] = 0.01;
  // The fact of the edit is not known: nothing is left out.
  EXPECT_NEAR(LedgerScopes(patch).certificate().threshold, 2, 1e-3);
  EXPECT_EQ(LedgerScopes(patch).certificate().left_out, 0);

  patch.memory.entries[0].facts["fact"] = "what this is";
  const LedgerScopes scopes(patch);
  EXPECT_EQ(scopes.certificate().samples, 497);
  EXPECT_EQ(scopes.certificate().left_out, 3);
  EXPECT_NEAR(scopes.certificate().threshold, 4, 1e-3);  // the second smallest of 3, 4, 5, ...
  EXPECT_TRUE(scopes.edits("what this is"));
  EXPECT_FALSE(scopes.edits("another fact"));
  EXPECT_FALSE(scopes.edits(""));

  patch.memory.network["calibration_facts"] = fact_codes({"one"});
  EXPECT_THROW(LedgerScopes{patch}, Error);
}

TEST_F(LedgerTest, CalibrationLeavesOutQuestionsThatMentionAnEditedSubject) {
  auto known = request(1);
  known.subject = "the Bay";
  auto patch = edited({known}, {{"limit", 100}});
  EXPECT_EQ(patch.memory.entries[0].facts["subject"], "the Bay");
  std::vector<std::string> texts(500, "Where is the Bayou?");
  texts[0] = texts[1] = texts[400] = "Where is the Bay?";
  patch.memory.network["calibration"] =
      calibration_around(patch.memory.entries[0].tensors.at("key"));
  patch.memory.network["calibration_texts"] = text_bytes(texts);
  patch.settings["risk"] = 0.01;
  patch.memory.growing = true;
  EXPECT_EQ(LedgerScopes::of(patch)->certificate().left_out, 3);
  EXPECT_NEAR(LedgerScopes::of(patch)->certificate().threshold, 4, 1e-3);

  // The same question without a subject replaces the entry, so that nothing is left out.
  auto later = patch.memory.entries[0];
  later.name = "later";
  later.facts.erase("subject");  // an empty subject is in no text
  patch.memory.add(later);
  EXPECT_EQ(LedgerScopes::of(patch)->superseded()[0], 1);
  EXPECT_EQ(LedgerScopes::of(patch)->certificate().left_out, 0);
  EXPECT_EQ(LedgerScopes::of(patch)->facts(), LedgerScopes(patch).facts());

  patch.memory.growing = false;
  patch.memory.network["calibration_texts"] = text_bytes({"one"});
  EXPECT_THROW(LedgerScopes{patch}, Error);
}

// A checkpoint has a default for the weight of answers, and a patch names the weight.
TEST_F(LedgerTest, WeightOfAnswersIsThatOfTheCheckpoint) {
  LedgerConfig shape;
  shape.hidden = shape.embedding = 8;
  shape.answer_weight = 0;
  const auto state = std::make_shared<const LedgerState>(*vlm_->model, shape);
  auto patch = LedgerEditor(state).edit(*vlm_, {request(1)});
  EXPECT_EQ(patch.settings.at("answer_weight"), 0);
  auto question = patch.memory.entries[0].tensors.at("key").clone().unsqueeze(0);
  question.slice(1, question.size(1) - kSketchWidth).add_(10);  // another answer
  EXPECT_EQ(LedgerScopes(patch).route(question).entry.item<int64_t>(), 0);
  patch.settings["answer_weight"] = 4;
  EXPECT_EQ(LedgerScopes(patch).route(question).entry.item<int64_t>(), -1);
  EXPECT_EQ(edited({request(1)}).settings.at("answer_weight"), 4);
}

// A question is in the scope of an entry if its key is near that of the entry or that of its
// consequences.
TEST_F(LedgerTest, ConsequencesHaveAKeyOfTheirOwn) {
  auto patch = edited({request(1)});
  EXPECT_EQ(patch.memory.entries[0].tensors.count("consequences"), 0u);
  const auto key = patch.memory.entries[0].tensors.at("key");
  auto question = key.clone().unsqueeze(0);
  question.add_(10);
  EXPECT_EQ(LedgerScopes(patch).route(question).entry.item<int64_t>(), -1);
  patch.memory.reading["consequences"] = true;
  EXPECT_THROW(LedgerScopes{patch}, Error);  // the entry has no such key
  // The answer of the question does not count.
  patch.memory.entries[0].tensors["consequences"] =
      question[0].slice(0, 0, key.size(0) - kSketchWidth).clone();
  EXPECT_EQ(LedgerScopes(patch).route(question).entry.item<int64_t>(), 0);
  EXPECT_EQ(LedgerScopes(patch).route(key.unsqueeze(0)).entry.item<int64_t>(), 0);
  // A question that is far from all keys is in no scope, however its threshold is rounded.
  const auto far = question + 50;
  for (const double weight : {3.0, 5.0, 7.0, 10.0})
    for (const double limit : {2.9, 3.9, 1.7, 0.3}) {
      auto other = patch;
      other.settings["consequence_weight"] = weight;
      other.settings["limit"] = limit;
      EXPECT_EQ(LedgerScopes(other).route(far).entry.item<int64_t>(), -1) << weight << limit;
    }
  patch.settings["consequence_weight"] = 0;
  EXPECT_EQ(LedgerScopes(patch).route(question).entry.item<int64_t>(), -1);
}

// In the scope of consequences, logits change only at positions of the answer where the edit
// changes the best token.
TEST_F(LedgerTest, ConsequencesKeepLogitsWhoseBestTokenTheyDoNotChange) {
  LedgerConfig shape;
  shape.hidden = shape.embedding = 8;
  shape.consequences = true;
  const LedgerEditor editor(std::make_shared<const LedgerState>(*vlm_->model, shape));
  int64_t kept = 0, changed = 0;
  for (uint64_t picture = 1; picture <= 8; ++picture) {
    const auto edit = request(picture, " a cat, a dog, a bird and a cow");
    auto direct = editor.edit(*vlm_, {edit});
    direct.settings["limit"] = 1e-4;
    direct.settings["consequence_confidence"] = 0;
    auto follows = direct;
    auto& tensors = follows.memory.entries[0].tensors;
    auto& key = tensors.at("key");
    tensors["consequences"] = key.slice(0, 0, key.size(0) - kSketchWidth).clone();
    key = key + 10;
    const auto [prompt, before] = row_logits(edit, {});
    const auto [ignored, read] = row_logits(edit, direct.interventions(*vlm_));
    const auto [same_prompt, after] = row_logits(edit, follows.interventions(*vlm_));
    EXPECT_TRUE(at::equal(same_prompt, prompt)) << picture;
    ASSERT_GT(after.size(0), 1);
    for (int64_t t = 0; t < after.size(0); ++t) {
      const bool same = at::equal(before[t].argmax(-1), read[t].argmax(-1));
      EXPECT_TRUE(at::equal(after[t], same ? before[t] : read[t])) << picture << " " << t;
      ++(same ? kept : changed);
    }

    // Only confident positions change. A memory of an earlier version has no such setting.
    const auto largest = read.to(at::kFloat).softmax(-1).amax(-1);
    const auto middle = largest.median().item<double>();
    for (const double confidence : {middle, 1.0}) {
      follows.settings["consequence_confidence"] = confidence;
      const auto [own_prompt, confident] = row_logits(edit, follows.interventions(*vlm_));
      for (int64_t t = 0; t < after.size(0); ++t) {
        const bool replaced = largest[t].item<double>() >= confidence;
        EXPECT_TRUE(at::equal(confident[t], replaced ? after[t] : before[t]))
            << picture << " " << t;
      }
    }
    follows.settings.erase("consequence_confidence");
    EXPECT_TRUE(at::equal(row_logits(edit, follows.interventions(*vlm_)).second, after));
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(changed, 0);
}

// The scopes of a growing memory are extended, with the same bits as if they were made at once.
TEST_F(LedgerTest, ScopesOfAGrowingMemoryAreThoseOfAllItsEntries) {
  auto patch = edited({request(1)}, {{"limit", 100}, {"supersede", 0.5}});
  const auto first = patch.memory.entries[0];
  const auto width = first.tensors.at("key").size(0), question = width - kSketchWidth;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{5});
  const auto keys = at::randn({150, width}, generator);
  keys[90].copy_(keys[3] + 0.001);  // a later edit of the same question
  keys[140].copy_(keys[3] - 0.001);
  std::vector<std::string> facts(2000, "");
  for (size_t i = 0; i < facts.size(); i += 40) facts[i] = "fact " + std::to_string(i / 40);
  patch.memory.network["calibration"] = at::randn({2000, width}, generator);
  patch.memory.network["calibration_facts"] = fact_codes(facts);
  patch.memory.reading["consequences"] = true;
  patch.settings["risk"] = 0.01;
  patch.memory.entries.clear();
  patch.memory.growing = true;
  for (int64_t i = 0; i < keys.size(0); ++i) {
    auto entry = first;
    entry.name = "entry " + std::to_string(i);
    entry.facts["fact"] = "fact " + std::to_string(i % 90);
    entry.tensors["key"] = keys[i].clone();
    entry.tensors["consequences"] = keys[i].slice(0, 0, question) + 1;
    patch.memory.add(entry);
    if (i % 7 != 0 && i + 1 < keys.size(0)) continue;  // several entries at a time
    const auto grown = LedgerScopes::of(patch);
    EXPECT_EQ(LedgerScopes::of(patch), grown);
    const LedgerScopes all(patch);
    EXPECT_EQ(grown->facts(), all.facts()) << i;
    EXPECT_EQ(grown->superseded(), all.superseded()) << i;
    EXPECT_TRUE(at::equal(grown->route(keys).entry, all.route(keys).entry)) << i;
  }
  const std::map<std::string, nlohmann::json> others = {
      {"risk", 1}, {"scope", "text"}, {"answer_weight", 0}};
  for (const auto& [setting, value] : others) {
    auto other = patch;
    other.settings[setting] = value;
    auto& entries = other.memory.entries;
    entries.erase(entries.begin() + 100, entries.end());
    const auto before = LedgerScopes::of(other);
    other.memory.add(patch.memory.entries[120]);
    const LedgerScopes all(other);
    EXPECT_EQ(LedgerScopes::of(other)->facts(), all.facts()) << setting;
    EXPECT_TRUE(at::equal(LedgerScopes::of(other)->route(keys).entry, all.route(keys).entry))
        << setting;
  }
  const auto grown = LedgerScopes::of(patch);
  EXPECT_GT(grown->certificate().left_out, 0);
  EXPECT_EQ(grown->superseded()[3], 140);
  EXPECT_EQ(grown->superseded()[90], 140);

  // A removal, other settings, or a replaced entry do not use the old scopes.
  patch.memory.remove("entry 140");
  EXPECT_EQ(LedgerScopes::of(patch)->superseded()[3], 90);
  patch.settings["supersede"] = 0;
  EXPECT_EQ(LedgerScopes::of(patch)->superseded()[3], -1);
  auto replaced = patch.memory.entries[20];
  replaced.tensors["key"] = keys[20] + 50;
  patch.memory.add(replaced);
  EXPECT_EQ(LedgerScopes::of(patch)->facts(), LedgerScopes(patch).facts());
  const auto last = static_cast<int64_t>(patch.memory.entries.size()) - 1;
  EXPECT_EQ(LedgerScopes::of(patch)->route(keys[20].unsqueeze(0) + 50).entry.item<int64_t>(), last);
}

TEST_F(LedgerTest, NetworksOfConsequencesAreOptional) {
  LedgerConfig shape;
  shape.heads = 2, shape.head_width = 4, shape.hidden = 8, shape.embedding = 4, shape.rank = 2;
  const LedgerState plain(*vlm_->model, shape, 3);
  shape.consequences = true;
  const LedgerState both(*vlm_->model, shape, 3);
  EXPECT_GT(both.parameters().size(), plain.parameters().size());
  const auto batch = force(*vlm_, {{{}, "What is this?", " cat"}}, false).batch;
  const auto questions = question_features(*vlm_, batch, {}, both.features);
  EXPECT_FALSE(plain.consequence_key_of(questions).defined());
  const auto key = both.consequence_key_of(questions);
  EXPECT_EQ(key.sizes(), (at::IntArrayRef{1, both.keys.width()}));
  const auto answers = prompt_answers(*vlm_->model, batch, {});
  EXPECT_FALSE(at::allclose(key, both.key_of(*vlm_, batch, {}, answers).narrow(1, 0, key.size(1))));
}

TEST_F(LedgerTest, EntriesKeepTheFactOfTheirEdit) {
  auto known = request(1);
  known.fact = "what this is";
  EXPECT_EQ(edited({known}).memory.entries[0].facts["fact"], "what this is");
  EXPECT_FALSE(edited({request(1)}).memory.entries[0].facts.contains("fact"));
}

TEST_F(LedgerTest, DamagedEntriesAreRefused) {
  const auto whole = edited({request(1)}, {{"change", "lora"}});
  const auto site = vlm_->model->sites().back();
  const auto refusal = [&](const std::function<void(MemoryEntry&)>& damage) {
    auto patch = whole;
    damage(patch.memory.entries[0]);
    return error_of([&] { LedgerRecall(*vlm_, patch, nullptr); });
  };
  EXPECT_THAT(refusal([](MemoryEntry& entry) { entry.tensors.at("key") = at::zeros({3}); }),
              HasSubstr("has no key of this model"));
  EXPECT_THAT(refusal([](MemoryEntry& entry) { entry.tensors.erase("key"); }),
              HasSubstr("has no key of this model"));
  EXPECT_THAT(refusal([](MemoryEntry& entry) { entry.tensors["other"] = at::zeros({3}); }),
              HasSubstr("has tensors that no code reads"));
  EXPECT_THAT(refusal([](MemoryEntry& entry) { entry.facts.erase("prompt"); }),
              HasSubstr("'prompt'"));
  EXPECT_THAT(refusal([](MemoryEntry& entry) { entry.facts["target"] = 3; }),
              HasSubstr("'target'"));
  const auto with_change = [&](const at::Tensor& up, const at::Tensor& down) {
    return refusal([&](MemoryEntry& entry) {
      entry.tensors[site.name + ".down"] = down;
      if (up.defined()) entry.tensors[site.name + ".up"] = up;
    });
  };
  EXPECT_THAT(with_change({}, at::zeros({2, site.in})), HasSubstr("lacks " + site.name + ".up"));
  EXPECT_THAT(with_change(at::zeros({site.out, 3}), at::zeros({2, site.in})),
              HasSubstr("has a change of " + site.name + " with another shape"));
  EXPECT_EQ(with_change(at::zeros({site.out, 2}), at::zeros({2, site.in})), "no error");
}

}  // namespace
}  // namespace emend
