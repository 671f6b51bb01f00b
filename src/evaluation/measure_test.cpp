#include "evaluation/measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/editor.h"
#include "evaluation/scenes_probes.h"
#include "io/error.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

class MeasureTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<testing::TemporaryFolder>();
    testing::write_tiny_vlm(folder_->string());
    vlm_ = std::make_unique<Vlm>(load_vlm(folder_->string()));
  }
  static void TearDownTestSuite() {
    vlm_.reset();
    folder_.reset();
  }
  const Vlm& vlm() const { return *vlm_; }

  Record record() const {
    Record record;
    record.image = {"", testing::noise_image(1)};
    record.prompt = "What is this?";
    record.target = "cat";
    auto add = [&](Group group, Picture image, std::string text, std::string answer) {
      record.probes.push_back({group, std::move(image), std::move(text), std::move(answer)});
    };
    add(Group::text_generality, record.image, "Tell what this is?", "cat");
    add(Group::image_generality, {"", testing::noise_image(2)}, record.prompt, "cat");
    add(Group::text_locality, {}, "Where is Rome?", "Italy");
    add(Group::text_locality, {}, "Who?", "nobody at all");
    add(Group::image_locality, {"", testing::noise_image(3)}, "What color?", "green");
    add(Group::portability, record.image, "Does it bark?", "no");
    return record;
  }
  EditRequest request() const {
    Protocol protocol;
    return {record().image, edit_prompt(protocol, record()), continuation(record().target)};
  }
  static Interventions destroyed(const Vlm& vlm, const std::string& sites, uint64_t seed = 9) {
    at::manual_seed(seed);
    Interventions all;
    for (const auto& site : vlm.model->find_sites(sites)) {
      Intervention change{};
      change.point = Point::weight;
      change.where = site.name;
      change.delta.dense = at::randn({site.out, site.in}) * 2;
      all.push_back(std::move(change));
    }
    return all;
  }

  static std::unique_ptr<testing::TemporaryFolder> folder_;
  static std::unique_ptr<Vlm> vlm_;
};
std::unique_ptr<testing::TemporaryFolder> MeasureTest::folder_;
std::unique_ptr<Vlm> MeasureTest::vlm_;

TEST_F(MeasureTest, UntouchedModelKeepsEveryLocalityAtExactlyOne) {
  auto before = take_before(vlm(), record());
  auto patch = make_editor("ft", {{"steps", 0}})->edit(vlm(), {request()});
  for (const auto& interventions : {Interventions{}, patch.interventions()}) {
    auto measured = measure(vlm(), before, interventions);
    EXPECT_EQ(measured.scores[Group::text_locality].score, 1.0);
    EXPECT_EQ(measured.scores[Group::image_locality].score, 1.0);
    EXPECT_EQ(measured.scores[Group::text_locality].generated, 1.0);
    EXPECT_EQ(measured.scores[Group::text_locality].probes, 2);
    EXPECT_EQ(measured.scores[Group::reliability].score, 0.0);  // it does not say cat yet
    for (const auto& probe : measured.probes) EXPECT_EQ(probe.before, probe.after);
  }
}

TEST_F(MeasureTest, DestroyedModelScoresNearZero) {
  // A wrecked model of 260 tokens may hit upon a token by chance; over several it hardly does.
  auto before = take_before(vlm(), record());
  Averages averages;
  for (uint64_t seed = 0; seed < 8; ++seed)
    averages.add(measure(vlm(), before, destroyed(vlm(), "*", seed)));
  auto scores = averages.scores();
  EXPECT_LT(scores[Group::text_locality].score, 0.1);
  EXPECT_LT(scores[Group::image_locality].score, 0.1);
  EXPECT_EQ(scores[Group::reliability].score, 0);
  EXPECT_EQ(scores[Group::reliability].generated, 0);
}

TEST_F(MeasureTest, AnEditThatHoldsIsReliable) {
  auto before = take_before(vlm(), record());
  auto patch = make_editor("ft", {{"lr", 0.02}, {"steps", 300}})->edit(vlm(), {request()});
  auto measured = measure(vlm(), before, patch.interventions());
  EXPECT_EQ(measured.scores[Group::reliability].score, 1);
  EXPECT_EQ(measured.scores[Group::reliability].generated, 1);
  auto& first = measured.probes.at(0);
  EXPECT_EQ(first.asked.group, Group::reliability);
  EXPECT_EQ(first.after, "cat");
  EXPECT_NE(first.before, "cat");
  EXPECT_EQ(measured.scores.size(), 6u);
}

// The numbers are those of whole passes, one probe at a time, by the metrics as they are written.
TEST_F(MeasureTest, ResumingAndBatchingChangeNoNumber) {
  Protocol protocol;
  auto before = take_before(vlm(), record(), protocol);
  for (const std::string sites :
       {"language_model.model.decoder.layers.2.*", "qformer.*", "vision_model.*.layers.1.*"}) {
    auto edit = destroyed(vlm(), sites);
    for (auto& change : edit) change.delta.dense = change.delta.dense * 0.02;
    auto measured = measure(vlm(), before, edit);
    for (const auto& probe : measured.probes) {
      at::NoGradGuard no_grad;
      const auto& query = probe.asked.query;
      std::vector<Query> alone = {
          {query.image.present() ? std::optional(query.image.load()) : std::nullopt, query.prompt}};
      auto old_row = teacher_force(vlm(), alone, {query.target})[0];
      auto new_row = teacher_force(vlm(), alone, {query.target}, edit)[0];
      auto length = new_row.logits.size(0);
      double expected;
      if (probe.asked.group == Group::text_locality || probe.asked.group == Group::image_locality) {
        expected = locality(old_row.logits.unsqueeze(0), new_row.logits.unsqueeze(0),
                            at::ones({1, length}, at::kBool),
                            probe.asked.group == Group::image_locality ? 10 : 1, protocol.ranking);
      } else {
        auto labels = at::full({1, length}, kIgnored, at::kLong);
        for (auto i = new_row.answer_begin; i < static_cast<int64_t>(new_row.tokens.size()); ++i)
          labels[0][new_row.image_slots + i] = new_row.tokens[static_cast<size_t>(i)];
        expected = exact_match(new_row.logits.unsqueeze(0), labels);
      }
      // Another padded shape may move a near tie.
      EXPECT_NEAR(probe.score, expected, 0.02) << sites << " " << query.prompt;
    }
  }
}

TEST_F(MeasureTest, LogitsThatAreNoNumbersAreAnError) {
  auto before = take_before(vlm(), record());
  auto edit = destroyed(vlm(), "language_model.lm_head");
  edit[0].delta.dense.fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_THROW(measure(vlm(), before, edit), Error);
}

TEST_F(MeasureTest, AveragesAreUnweightedOverRecords) {
  Measured one, two;
  one.scores[Group::portability] = {1.0, 0.5, 4};
  two.scores[Group::portability] = {0.0, 0.5, 1};
  two.scores[Group::reliability] = {1.0, 1.0, 1};
  Averages averages;
  averages.add(one);
  averages.add(two);
  auto scores = averages.scores();
  EXPECT_DOUBLE_EQ(scores[Group::portability].score, 0.5);
  EXPECT_EQ(scores[Group::portability].probes, 5);
  EXPECT_DOUBLE_EQ(scores[Group::reliability].score, 1);  // over the records that asked
  EXPECT_EQ(averages.records(), 2);
}

TEST(ProtocolTest, PromptsAreWrappedAsTheFieldDoes) {
  Protocol protocol;
  Record question = {"", {}, "What is it?", "", "cat", {}};
  Record caption = {"", {}, "a photo of", "", "a cat", {}};
  EXPECT_EQ(edit_prompt(protocol, question), "Question: What is it? Short answer:");
  EXPECT_EQ(edit_prompt(protocol, caption), "a photo of");
  auto asked = [&](const Record& record, Group group, const char* text) {
    return probe_prompt(protocol, record, {group, {}, text, ""});
  };
  EXPECT_EQ(asked(question, Group::text_generality, "What?"), "Question: What? Short answer:");
  EXPECT_EQ(asked(caption, Group::text_generality, "describe it"), "describe it");
  EXPECT_EQ(asked(caption, Group::image_locality, "Who?"), "Question: Who? Short answer:");
  EXPECT_EQ(asked(caption, Group::portability, "Who?"), "Question: Who? Short answer:");
  EXPECT_EQ(asked(question, Group::text_locality, "nq question: who"), "nq question: who");
  EXPECT_EQ(continuation("cat"), " cat");
  EXPECT_EQ(continuation(" cat"), " cat");
  EXPECT_THROW(fill_template("Question:", "x"), Error);
}

TEST(ScenesProbesTest, OtherWordingsOfTheWorldsQuestions) {
  auto others = other_wordings("What color is the star?");
  EXPECT_FALSE(others.empty());
  for (const auto& text : others) {
    EXPECT_NE(text, "What color is the star?");
    EXPECT_THAT(text, ::testing::HasSubstr("star"));
    EXPECT_THAT(text, ::testing::HasSubstr("color"));
  }
  EXPECT_TRUE(other_wordings("What would Freud say?").empty());
}

TEST(ScenesProbesTest, DefaultRecordHasWhatWasAskedFor) {
  EditQuestion question;
  question.prompt = "What color is the star?";
  question.target = "red";
  question.rephrasings = {"star, which color?"};
  question.other_pictures = {{"", testing::noise_image(1)}};
  auto record = default_record(question, 7, 3);
  std::map<Group, int> counts;
  for (const auto& probe : record.probes) {
    ++counts[probe.group];
    bool picture = probe.group == Group::image_locality || probe.group == Group::image_generality;
    EXPECT_EQ(probe.image.present(), picture);
  }
  EXPECT_EQ(counts[Group::reliability], 1);
  EXPECT_EQ(counts[Group::text_generality], 1);
  EXPECT_EQ(counts[Group::image_generality], 1);
  EXPECT_EQ(counts[Group::text_locality], 7);
  EXPECT_EQ(counts[Group::image_locality], 7);
  // The same seed asks the same.
  auto again = default_record(question, 7, 3);
  for (size_t i = 0; i < record.probes.size(); ++i)
    EXPECT_EQ(record.probes[i].text, again.probes[i].text);
}

TEST(ScenesProbesTest, AlteredCopiesWhereNoOtherPictureIsGiven) {
  EditQuestion question;
  question.image = {"", testing::noise_image(1, 37)};
  question.prompt = "What?";
  question.target = "x";
  question.consequences = {{"So?", "yes"}};
  auto record = default_record(question, 1, 3), again = default_record(question, 1, 3);
  int copies = 0, consequences = 0;
  for (size_t i = 0; i < record.probes.size(); ++i) {
    const auto& probe = record.probes[i];
    consequences += probe.group == Group::portability && probe.answer == "yes";
    if (probe.group != Group::image_generality) continue;
    ++copies;
    auto copy = probe.image.load();
    EXPECT_EQ(copy.width, 37);
    EXPECT_EQ(copy.rgb.size(), 37u * 37 * 3);
    EXPECT_NE(copy.rgb, question.image.load().rgb);
    EXPECT_EQ(copy.rgb, again.probes[i].image.load().rgb);
  }
  EXPECT_EQ(copies, 5);
  EXPECT_EQ(consequences, 1);
}

TEST_F(MeasureTest, ErrorsOfAModelAreFoundAndCorrected) {
  ErrorSearch search;
  search.count = 3;
  search.limit = 32;
  size_t asked = 0;
  auto records = find_errors(vlm(), search, {}, &asked);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(asked, 16u);
  for (const auto& record : records) {
    EXPECT_FALSE(same_answer(record.before, record.target));
    EXPECT_TRUE(record.image.present());
    EXPECT_FALSE(record.probes.empty());
  }
}

}  // namespace
}  // namespace emend
